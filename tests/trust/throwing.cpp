// Throws whatever C++ can throw, by number.
#include <new>
#include <stdexcept>
#include <string>

namespace {

struct odd {};

void throw_kind(int kind) {
    switch (kind) {
    case 1:
        throw std::runtime_error("the valve is stuck");
    case 2:
        throw 42;
    case 3:
        throw std::bad_alloc();
    case 4:
        throw odd{};
    case 5:
        throw std::logic_error(std::string(1000, 'x'));
    default:
        break;
    }
}

} // namespace

extern "C" double maybe(double x) {
    throw_kind(static_cast<int>(x));
    return x;
}

extern "C" void maybe_all(std::size_t n, const double *x, double *y) {
    for (std::size_t i = 0; i < n; ++i) {
        y[i] = maybe(x[i]);
    }
}

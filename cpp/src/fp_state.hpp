// The floating-point control state of a thread: rounding mode, flushing of denormals, trapped exceptions.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif !defined(__aarch64__)
#include <cfenv>
#endif

namespace pyffipar {

struct fp_state {
    std::uint64_t control;  // MXCSR, FPCR or the rounding mode
    std::uint16_t extended; // the x87 control word: long double has a rounding mode of its own

    static fp_state current() noexcept {
        fp_state state{0, 0};
#if defined(__x86_64__) || defined(_M_X64)
        state.control = _mm_getcsr();
#if defined(__GNUC__)
        __asm__ __volatile__("fnstcw %0" : "=m"(state.extended));
#endif
#elif defined(__aarch64__)
        __asm__ __volatile__("mrs %0, fpcr" : "=r"(state.control));
#else
        state.control = static_cast<std::uint64_t>(std::fegetround());
#endif
        return state;
    }

    void apply() const noexcept {
#if defined(__x86_64__) || defined(_M_X64)
        constexpr unsigned sticky = 0x3f; // which exceptions have occurred: the thread's own business
        _mm_setcsr((static_cast<unsigned>(control) & ~sticky) | (_mm_getcsr() & sticky));
#if defined(__GNUC__)
        __asm__ __volatile__("fldcw %0" : : "m"(extended));
#endif
#elif defined(__aarch64__)
        __asm__ __volatile__("msr fpcr, %0" : : "r"(control));
#else
        std::fesetround(static_cast<int>(control));
#endif
    }
};

// Another thread's control state for the length of a scope.
class fp_scope {
  public:
    explicit fp_scope(const fp_state &wanted) noexcept : own_(fp_state::current()) { wanted.apply(); }
    ~fp_scope() { own_.apply(); }
    fp_scope(const fp_scope &) = delete;
    fp_scope &operator=(const fp_scope &) = delete;

  private:
    fp_state own_;
};

} // namespace pyffipar

// The arithmetic of chunks and tasks, against brute force.
#include <cstdint>
#include <limits>

#include "check.hpp"
#include "partition.hpp"
#include "status.hpp"

using namespace pyffipar;
using testing::check;

namespace {

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

void chunks_cover_every_item_once() {
    for (std::int64_t length = 0; length < 60; ++length) {
        for (std::int64_t chunk = 1; chunk <= length + 1; ++chunk) {
            const grid cut{length, chunk, length == 0 ? 1 : (length + chunk - 1) / chunk};
            std::int64_t next = 0;
            std::int64_t longest = 0;
            for (std::int64_t index = 0; index < cut.chunks; ++index) {
                check(cut.start(index) == next, "chunks follow each other");
                check(cut.extent(index) >= 0 && cut.extent(index) <= chunk,
                      "no chunk is longer than allowed");
                longest = cut.extent(index) > longest ? cut.extent(index) : longest;
                next += cut.extent(index);
            }
            check(next == length, "all items are covered");
            check(cut.longest() == longest, "the longest chunk is known");
        }
    }
}

void tasks_cover_every_call_once() {
    for (std::int64_t calls = 1; calls < 80; ++calls) {
        for (std::int64_t grain = 1; grain < 90; ++grain) {
            for (const std::int64_t most : {1, 2, 7, 1000}) {
                const task_grid tasks = task_grid::at_most(calls, grain, most);
                check(tasks.grain >= grain && tasks.count() <= most, "no more tasks than allowed");
                std::int64_t next = 0;
                for (std::int64_t task = 0; task < tasks.count(); ++task) {
                    check(tasks.first(task) == next && tasks.last(task) > next, "tasks follow each other");
                    next = tasks.last(task);
                }
                check(next == calls, "all calls are covered");
            }
        }
    }
}

void tasks_at_the_end_of_64_bits() {
    const task_grid tasks = task_grid::at_most(largest, 1, 1000);
    check(tasks.count() <= 1000 && tasks.last(tasks.count() - 1) == largest, "no overflow");
}

void products_that_do_not_fit_are_refused() {
    check(checked_product(largest, 1, "x") == largest && checked_product(0, largest, "x") == 0,
          "what fits passes");
    check(checked_product(3037000499, 3037000499, "x") == 9223372030926249001, "close to the limit");
    testing::check_throws<refused>([] { checked_product(std::int64_t{1} << 32, std::int64_t{1} << 31, "x"); },
                                   "2**63 does not fit");
}

void scaling_equals_the_quotient_of_the_whole_product() {
    for (std::int64_t start = 0; start < 50; ++start) {
        for (std::int64_t numerator = -9; numerator < 10; ++numerator) {
            for (std::int64_t denominator = 1; denominator < 9; ++denominator) {
                check(scaled(start, numerator, denominator) == start * numerator / denominator, "as in C");
            }
        }
    }
    check(scaled(largest - 3, 4, 4) == largest - 3, "a product beyond 64 bits");
}

} // namespace

int main() {
    return testing::run_all({
        {"chunks_cover_every_item_once", chunks_cover_every_item_once},
        {"tasks_cover_every_call_once", tasks_cover_every_call_once},
        {"tasks_at_the_end_of_64_bits", tasks_at_the_end_of_64_bits},
        {"products_that_do_not_fit_are_refused", products_that_do_not_fit_are_refused},
        {"scaling_equals_the_quotient_of_the_whole_product",
         scaling_equals_the_quotient_of_the_whole_product},
    });
}

// Small jobs in a row: when they are worth a worker that stays awake, and what it costs to be wrong.
#include "check.hpp"
#include "streak.hpp"

using namespace pyffipar;
using testing::check;

namespace {

constexpr nanoseconds gap = 30;
constexpr nanoseconds price = 80;

// How many jobs of `work`, each `pause` behind the last one's end, it takes until somebody is woken.
int jobs_until_woken(streak &small, nanoseconds work, nanoseconds pause, nanoseconds &when) {
    for (int jobs = 1; jobs <= 10'000; ++jobs) {
        const bool woken = small.add(work, when);
        when += work + pause;
        if (woken) {
            return jobs;
        }
    }
    return 0;
}

void a_row_is_worth_what_its_jobs_are_together() {
    streak small(gap, price);
    nanoseconds when = 1'000;
    check(jobs_until_woken(small, 20, 5, when) == 4, "four times twenty");
}

void jobs_far_apart_are_no_row() {
    streak small(gap, price);
    nanoseconds when = 1'000;
    check(jobs_until_woken(small, 20, gap, when) == 0, "by the next one the worker would sleep again");
}

void who_was_woken_in_vain_is_woken_more_seldom() {
    streak small(gap, price);
    nanoseconds when = 1'000;
    check(jobs_until_woken(small, 20, 5, when) == 4, "at first");
    check(jobs_until_woken(small, 20, 5, when) == 8, "twice the price");
    check(jobs_until_woken(small, 20, 5, when) == 16, "and twice again");
    for (int i = 0; i < 20; ++i) {
        jobs_until_woken(small, 20, 5, when);
    }
    check(jobs_until_woken(small, 20, 5, when) == 64 * 4, "but not for ever");
}

void who_was_of_use_is_woken_at_the_first_price() {
    streak small(gap, price);
    nanoseconds when = 1'000;
    jobs_until_woken(small, 20, 5, when);
    jobs_until_woken(small, 20, 5, when);
    small.was_of_use();
    check(jobs_until_woken(small, 20, 5, when) == 4, "as at first");
}

} // namespace

int main() {
    return testing::run_all({
        {"a_row_is_worth_what_its_jobs_are_together", a_row_is_worth_what_its_jobs_are_together},
        {"jobs_far_apart_are_no_row", jobs_far_apart_are_no_row},
        {"who_was_woken_in_vain_is_woken_more_seldom", who_was_woken_in_vain_is_woken_more_seldom},
        {"who_was_of_use_is_woken_at_the_first_price", who_was_of_use_is_woken_at_the_first_price},
    });
}

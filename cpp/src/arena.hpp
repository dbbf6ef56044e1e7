// Memory for one job: asked for piece by piece before the first foreign call, given back all at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

#include "prefetch.hpp"

namespace pyffipar {

// What fits in the first block, which its owner may provide, costs no allocation of its own.
class arena {
  public:
    static constexpr std::size_t alignment = cache_line; // workers' memory never shares one

    arena() = default;
    arena(char *first, std::size_t size) noexcept : next_(first), left_(size) {}
    arena(const arena &) = delete;
    arena &operator=(const arena &) = delete;

    // Zeroed, aligned to a cache line if `is_line` says so. Throws std::bad_alloc.
    template <typename type>
    type *make(std::size_t count, bool is_line = false) {
        type *first = make_unset<type>(count, is_line);
        std::uninitialized_value_construct_n(first, count);
        return first;
    }

    // As make(), but left as it is, and so in whichever cache it is: for what is filled before it is read.
    template <typename type>
    type *make_unset(std::size_t count, bool is_line = false) {
        static_assert(std::is_trivially_destructible_v<type> && alignof(type) <= alignment);
        if (count > SIZE_MAX / 2 / sizeof(type)) {
            throw std::bad_alloc();
        }
        return static_cast<type *>(take(count * sizeof(type), is_line ? alignment : alignof(type)));
    }

    char *make_buffer(std::size_t size) { return make_unset<char>(size, true); }

  private:
    void *take(std::size_t size, std::size_t align) {
        void *place = next_;
        if (std::align(align, size, place, left_) == nullptr) {
            left_ = size + align < later_block ? later_block : size + align;
            // Not make_unique, which would write zeros all over it.
            blocks_.emplace_back(new (std::nothrow) char[left_]);
            if (blocks_.back() == nullptr) {
                throw std::bad_alloc();
            }
            place = blocks_.back().get();
            std::align(align, size, place, left_);
        }
        next_ = static_cast<char *>(place) + size;
        left_ -= size;
        return place;
    }

    static constexpr std::size_t later_block = 16384;

    char *next_ = nullptr;
    std::size_t left_ = 0;
    std::vector<std::unique_ptr<char[]>> blocks_;
};

} // namespace pyffipar

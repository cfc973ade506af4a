// Zero-initialised memory aligned for the kernels. What is large goes back to the system when it is
// let go: pages that an allocator keeps would add up over the models of a long process.
#pragma once
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

#include "kernels.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FASTEPLL_ASAN
#endif
#endif
// The address sanitizer sees the bounds of what it allocates itself only.
#if (defined(__unix__) || defined(__APPLE__)) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(FASTEPLL_ASAN)
#define FASTEPLL_MMAP
#include <sys/mman.h>
#endif

namespace fastepll {

template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : data_(make(size * sizeof(T)), Free{size * sizeof(T)}) {}
  T* get() const { return data_.get(); }
  std::size_t nbytes() const { return data_.get_deleter().bytes; }

 private:
  static constexpr std::size_t kLarge = 1 << 16;

  struct Free {
    std::size_t bytes = 0;
    void operator()(T* p) const {
#ifdef FASTEPLL_MMAP
      if (bytes >= kLarge) {
        munmap(p, bytes);
        return;
      }
#endif
      operator delete(p, std::align_val_t(kAlign));
    }
  };

  static T* make(std::size_t bytes) {
#ifdef FASTEPLL_MMAP
    if (bytes >= kLarge) {
      // Pages come when they are written to: to each of several threads its own, side by side.
      void* const pages =
          mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (pages == MAP_FAILED) throw std::bad_alloc();
      return static_cast<T*>(pages);
    }
#endif
    void* const memory = operator new(bytes, std::align_val_t(kAlign));
    std::memset(memory, 0, bytes);
    return static_cast<T*>(memory);
  }

  std::unique_ptr<T, Free> data_;
};

// One buffer for the arrays that `for_each_array(reserve)` calls reserve(pointer, n) for.
template <class ForEachArray>
Buffer<float> buffer_of_arrays(const ForEachArray& for_each_array) {
  const auto padded = [](std::size_t n) { return round_up(n, kAlign / sizeof(float)); };
  std::size_t size = 0;
  for_each_array([&](float*&, std::size_t n) { size += padded(n); });
  Buffer<float> buffer(size);
  float* next = buffer.get();
  for_each_array([&](float*& array, std::size_t n) {
    array = next;
    next += padded(n);
  });
  return buffer;
}

}  // namespace fastepll

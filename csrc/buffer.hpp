// Zero-initialised memory aligned for the kernels.
#pragma once
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

#include "kernels.hpp"

namespace fastepll {

template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size)
      : data_(static_cast<T*>(operator new(size * sizeof(T), std::align_val_t(kAlign)))) {
    std::memset(data_.get(), 0, size * sizeof(T));
  }
  T* get() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* p) const { operator delete(p, std::align_val_t(kAlign)); }
  };
  std::unique_ptr<T, Free> data_;
};

}  // namespace fastepll

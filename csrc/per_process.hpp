// Objects that all calls of a process share. They live until it ends, and a forked child has its
// own: the locks of its parent's may be held there for ever, by threads that it does not have.
#pragma once
#include <atomic>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace fastepll {

template <class T>
class PerProcess {
 public:
  T& get() {
    T* found = object_.load(std::memory_order_acquire);
    if (found) return *found;
    T* made = new T;
    if (object_.compare_exchange_strong(found, made)) return *made;
    delete made;
    return *found;
  }

  // In a forked child: leaves the parent's object alone.
  void forget() { object_ = nullptr; }

 private:
  std::atomic<T*> object_{nullptr};
};

// Has `handler` called in every forked child.
inline bool at_fork([[maybe_unused]] void (*handler)()) {
#if defined(__unix__) || defined(__APPLE__)
  return pthread_atfork(nullptr, nullptr, handler) == 0;
#else
  return true;
#endif
}

}  // namespace fastepll

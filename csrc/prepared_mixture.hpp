// A mixture with the tables of one kind of pass.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "mixture.hpp"

namespace fastepll {

// A mixture ready for one PassOptions.
class PreparedMixture {
 public:
  // Throws std::invalid_argument if a covariance plus noise_var times identity is not positive
  // definite; returns null if poll stopped it.
  static std::unique_ptr<PreparedMixture> make(std::shared_ptr<const Mixture> mixture,
                                               const PassOptions& options, int n_threads,
                                               const Poll& poll);

  const Tables& tables() const { return tables_; }
  const Mixture& mixture() const { return *mixture_; }
  std::size_t nbytes() const { return floats_.nbytes(); }
  double lowest_cost() const { return lowest_cost_; }  // what refined costs count from

 private:
  PreparedMixture(std::shared_ptr<const Mixture> mixture, const PassOptions& options);

  std::shared_ptr<const Mixture> mixture_;
  Tables tables_;
  Buffer<float> floats_;
  double lowest_cost_ = 0;
  std::vector<std::size_t> ranks_;
};

}  // namespace fastepll

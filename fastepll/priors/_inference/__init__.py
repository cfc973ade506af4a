"""How the priors are fitted and their posteriors explored: EM, gradient, Gibbs, Hamiltonian."""

"""Binary models by the chain rule: log p(x) = sum_i log p(x_i | what comes before it)."""

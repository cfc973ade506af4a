"""Models of categorical data whose probability is a product of tables, from none to all shared."""

"""The tables and figures of the documentation, each made of files in bench/results."""

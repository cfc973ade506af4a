runner: object

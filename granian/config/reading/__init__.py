"""Where values come from: files, env files, variables and flags, each with its place."""

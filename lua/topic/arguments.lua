return [[
Arguments
  A recipe's arguments are its flags: cmek help console. Each comes from the first that has it: the flag, the
  environment (CMEK_ARG_ROLE for --role), the file of --args, the recipe's default. cmek plan RECIPE … --explain-args
  shows each with where it is from and what it was preferred to, and asks no service.

  A file of arguments is JSON, or Lua data, which is read and never run:

    return { cluster = "orders-prod", rotation = 180, admin = { "arn:aws:iam::210987654321:role/Admin" } }

  --save-args FILE writes what was given as such a file. A list in the environment is JSON, or has commas between its
  elements; true, yes and 1 are true, and false, no and 0 are false.

  Secrets are never arguments: what looks like one is refused, wherever it stands, and not shown. The journal of a run
  holds its arguments, the recipe's name and hash, and cmek's version.
]]

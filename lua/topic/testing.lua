return [[
Testing a recipe
  The sentences of mine.lua stand in mine.test.lua beside it; cmek recipes test mine.lua runs each against simulated services of its
  own. It is a recipe's world with five names more, and nobody's account is touched:

    test["makes a key in every region"] = function()
      local result = run { cluster = "orders" }
      equal(result.exit, 0)
      equal(result:count "CreateKey", 3)
    end

    run, plan, verify, destroy { ARG = value, … }   the command with these arguments; run and destroy agree to what is asked. They give
             the command's document (cmek help json), and with it exit, output, errors (what went to stderr), requests (what the
             services were asked; result:count(OPERATION) and result:writes() count them) and services: what they hold afterwards,
             as cmek sim --state has it, such as result.services.aws["210987654321"].sns["us-east-1"].topics
    equal(got, want), contains(text, part)          what has to be so

  What does not hold is told by its line; --traceback adds the calls that led there.
  Simulated are the Cloud, Vault, and of AWS: IAM, KMS, SNS, STS and tagging. What calls another service is refused there; plan it in an account
  of yours, where a plan only reads.
  A second run of one sentence meets what the first has made. The services fail where a sentence wants it, by what
  cmek sim --fault takes:  run({ cluster = "orders" }, { faults = { "throttle service=kms operation=CreateKey count=2" } })
]]

local s = require "schema"

return s.document("cmek.whoami/1", "Which AWS account, as whom and by which credentials; which organization.", {
  aws = s.object { account_id = s.text, arn = s.text, ["source?"] = s.text, ["region?"] = s.text },
  organization = s.object { id = s.text, ["name?"] = s.text, ["label?"] = s.text },
})

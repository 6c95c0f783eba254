--- Operations of STS, API version 2011-06-15, as its reference has them: what each is for, takes, gives and refuses with.
--- Pages are not listed, since lists are whole.
return {
  DecodeAuthorizationMessage = { text = "What stands in an encoded message of a refusal.",
    takes = { "EncodedMessage: string" },
    gives = { "DecodedMessage: string" },
    errors = { "InvalidAuthorizationMessageException" } },
  GetCallerIdentity = { text = "Whose the credentials are: account, ARN and ID.",
    gives = { "UserId: string", "Account: string", "Arn: string" } },
}

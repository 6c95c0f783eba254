--- Operations of the Resource Groups Tagging API, API version 2017-01-26, as its reference has them: what each is for, takes, gives and refuses with.
--- Pages are not listed, since lists are whole.
return {
  GetResources = { text = "What has tags in the region, by tag or kind. Its index lags: what it does not show is not absent.",
    takes = {
      "TagFilters?: { Key?: string, Values?: string[] }[]", "ResourceTypeFilters?: string[]", "IncludeComplianceDetails?: boolean",
      "ExcludeCompliantResources?: boolean", "ResourceARNList?: string[]"
    },
    gives = { "ResourceTagMappingList: table[]" },
    errors = { "InvalidParameterException", "ThrottledException", "InternalServiceException", "PaginationTokenExpiredException" } },
}

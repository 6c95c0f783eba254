--- KMS keeps every material that a key ever had: there is nothing to take back.
return { collect = function() return {} end, refusal = function() end }

--- Verify asks nothing of it: what the Cloud uses is asked of the rotation itself.
return { inspect = function() end }

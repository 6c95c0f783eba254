--- A replica is taken back as any key is, before its primary.
return require "resource.delete.key"

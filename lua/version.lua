--- The version of this cmek, as User-Agent, session names and `cmek version` show it.
return "0.1.0"

--- What is between here and a service: names, connections, certificates, proxies, answers of somebody else.
local ELSE <const> = "somebody else than the service answers: check the endpoint{from} and HTTPS_PROXY"

local function from(refusal)
  return { from = refusal.endpoint_source and (" (%s)"):format(refusal.endpoint_source) or "" }
end

local LIST <const> = {
  { id = "way.no-libcurl", title = "libcurl is not there", message = "libcurl cannot be used",
    cause = "cmek talks through the machine's libcurl, which is not installed, or too old",
    next = "install libcurl: apt-get install libcurl4 (on Debian 13 and Ubuntu 24.04 libcurl4t64)" },

  { id = "way.ca-file", title = "a file of certificates cannot be read", message = "setting certificate",
    cause = "a variable names a file of certificates that is not there, or holds none",
    next = "AWS_CA_BUNDLE, CURL_CA_BUNDLE or SSL_CERT_FILE names a file of certificates that cannot be read" },

  { id = "way.certificate", title = "a certificate that nobody here vouches for", message = "certificate",
    cause = "the server's certificate is of an authority that this machine does not know, often a proxy's, or is for another name",
    next = "the certificate is of an authority that is not trusted here: export AWS_CA_BUNDLE=FILE.pem with the authority's certificate" },

  { id = "way.proxy-address", title = "the proxy's address is none", message = "proxy scheme",
    cause = "HTTPS_PROXY, or ALL_PROXY, names no kind of proxy that there is",
    next = "HTTPS_PROXY is no proxy's address: http://HOST:PORT" },

  { id = "way.dns", title = "the name cannot be resolved", message = "resolve",
    cause = "the name server does not know the host: a region or endpoint is mistyped, or names are resolved by the proxy alone",
    next = "check the name, the region and DNS; behind a proxy set HTTPS_PROXY" },

  { id = "way.proxy-login", title = "the proxy wants to know who asks", message = "response 407",
    cause = "the proxy lets through whom it knows, and HTTPS_PROXY names no user",
    next = "the proxy wants to know who asks: export HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT" },

  { id = "way.proxy", title = "the proxy does not let the request through", message = "connect tunnel failed",
    cause = "the proxy of HTTPS_PROXY refuses to connect to this host",
    next = "the proxy does not let us through to this host: have it allowed there, or name the host in NO_PROXY" },

  { id = "way.no-http", title = "what answers speaks no HTTP", message = "http/0.9",
    cause = "another kind of service listens there, or one that speaks TLS was asked without it",
    next = "whatever answers there speaks another protocol: check the endpoint{from}, its port and https:// or http://" },

  { id = "way.refused", title = "nothing listens there", message = "refused",
    cause = "the host answers that nobody takes connections at this port",
    next = "nothing listens there: check the endpoint{from}" },

  { id = "way.no-answer", title = "nothing answers there", message = "connect to",
    cause = "the host cannot be reached from here: a firewall, no route, or a proxy that has to be used",
    next = "nothing answers there: check the endpoint{from}, the network and HTTPS_PROXY" },

  { id = "way.connection", title = "the connection cannot be made", message = "connect",
    cause = "the connection broke while it was made",
    next = "check the network, the endpoint{from} and HTTPS_PROXY" },

  { id = "way.cut", title = "the answer was cut", message = { "remaining to read", "bytes missing" },   -- libcurl 7, 8
    cause = "the connection closed before the whole answer was here",
    next = "the answer was cut short on the way: run this again; if that does not help, check the proxies between" },

  { id = "way.long", title = "an answer that is far too long", message = "longer than",
    cause = "no answer of this service is as long as that",
    next = "that is no answer of this service: check the endpoint{from} and HTTPS_PROXY" },

  { id = "way.html", title = "a web page in the place of an answer", message = "an html page",
    cause = "a proxy, a load balancer or a login page of the network answered",
    next = ELSE },

  { id = "way.elsewhere", title = "the answer sends us elsewhere", message = "sends us to",
    cause = "a login page of the network, or a wrong endpoint; requests with credentials follow no redirection",
    next = ELSE },

  { id = "way.no-service", title = "an answer that is none of this service's", message = { "the answer ", "the answer's " },
    cause = "what came is not in the service's form",
    next = ELSE },
}

local situations = {}
for i, entry in ipairs(LIST) do
  situations[i] = { id = entry.id, title = entry.title, cause = entry.cause, next = entry.next, facts = from,
    evidence = "on the way to {service}{from}: {message}", fits = { way = true, message = entry.message } }
end

-- A write whose outcome is open is not to be repeated by hand: the run looks it up.
situations[#situations + 1] = { id = "way.lost-write", title = "no answer came to a change", facts = from, fits = { kind = "lost", open = true },
  cause = "the connection broke after the request had left, so nobody here can say whether it was done",
  evidence = "on the way to {service}{from}: {message}",
  next = "look whether it was done before it is done again; a run that is resumed does that by itself" }

situations[#situations + 1] = { id = "way.lost", title = "no answer came", facts = from, fits = { kind = "lost", known = true },
  cause = "the connection broke after the request had left, or nothing came in time",
  evidence = "on the way to {service}{from}: {message}",
  next = "run this again; if that does not help, check the endpoint{from} and the proxies between" }

return situations

# redis-rb over TLS, against a cluster.

require 'redis'
require 'openssl'
require_relative 'tap'

OPTIONS = {
  ca_file: ENV.fetch('TLS_CA'),
  cert: OpenSSL::X509::Certificate.new(File.read(ENV.fetch('TLS_CERT'))),
  key: OpenSSL::PKey.read(File.read(ENV.fetch('TLS_KEY')))
}.freeze

def url(node)
  "rediss://#{node}"
end

test 'one node' do
  equal Redis.new(url: url(NODES[0]), ssl_params: OPTIONS).ping, 'PONG'
end

test 'all nodes' do
  c = Redis.new(cluster: NODES.map { |n| url(n) }, ssl_params: OPTIONS)
  keys = (0...30).map { |i| "tls:#{i}" }
  keys.each { |key| equal c.set(key, key), 'OK' }
  equal keys.map { |key| c.get(key) }, keys
end

test 'it does not trust everybody' do
  raises(OpenSSL::SSL::SSLError, /certificate verify failed/) do
    Redis.new(url: url(NODES[0]), ssl_params: OPTIONS.reject { |name| name == :ca_file }, reconnect_attempts: 0).ping
  end
end

run

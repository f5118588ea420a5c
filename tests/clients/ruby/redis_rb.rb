# redis-rb against a standalone node or a cluster.

require 'redis'
require 'digest'
require_relative 'tap'

def url(node)
  "redis://#{node}"
end

def connect(**options)
  return Redis.new(cluster: NODES.map { |n| url(n) }, **options) if CLUSTER

  Redis.new(url: url(NODES[0]), id: 'redis-rb-test', **options)
end

R = connect
DIRECT = NODES.map { |n| Redis.new(url: url(n)) }

def k(name)
  "{rb}#{name}"
end

def blocked
  DIRECT.sum { |n| n.info('clients')['blocked_clients'].to_i }
end

test 'strings are binary safe' do
  bytes = (0..255).to_a.pack('C*')
  equal R.set(k('bin'), bytes), 'OK'
  equal R.get(k('bin')).b, bytes
  equal R.get(k('missing')), nil
  equal R.set(k('bin'), 'x', nx: true), false
  equal R.set(k('bin'), 'y', px: 50_000, get: true).b, bytes
  equal R.append(k('bin'), "\u00fc"), 3
  equal R.get(k('bin')), "y\u00fc"
  big = "\xd2".b * (3 << 20)
  R.set(k('big'), big)
  equal R.get(k('big')).b == big, true
  R.del(k('n'))
  equal R.incrby(k('n'), 42), 42
  equal R.incrbyfloat(k('n'), 0.5), 42.5
end

test 'expiry' do
  R.setex(k('ttl'), 100, 'v')
  equal [99, 100].include?(R.ttl(k('ttl'))), true
  equal R.persist(k('ttl')), true
  equal R.ttl(k('ttl')), -1
  equal R.pexpire(k('ttl'), 5), true
  eventually('the key to expire') { !R.exists?(k('ttl')) }
end

test 'hashes' do
  R.del(k('h'))
  equal R.hset(k('h'), 'a', 1, 'b', 'two'), 2
  equal R.hgetall(k('h')), 'a' => '1', 'b' => 'two'
  equal R.mapped_hmget(k('h'), 'b', 'zz'), 'b' => 'two', 'zz' => nil
  equal R.hincrby(k('h'), 'a', 41), 42
  equal R.hscan_each(k('h')).to_a.sort, [%w[a 42], %w[b two]]
end

test 'hash fields expire' do
  R.hset(k('hx'), 'stay', 1, 'go', 2)
  equal R.call('HPEXPIRE', k('hx'), 5, 'FIELDS', 2, 'go', 'absent'), [1, -2]
  eventually('the field to expire') { R.hlen(k('hx')) == 1 }
  equal R.hkeys(k('hx')), ['stay']
end

test 'sorted sets' do
  R.del(k('z'))
  equal R.zadd(k('z'), [[1.5, 'a'], [-2, 'm'], ['+inf', 'z']]), 3
  equal R.zrange(k('z'), 0, -1, with_scores: true), [['m', -2.0], ['a', 1.5], ['z', Float::INFINITY]]
  equal R.zrangebyscore(k('z'), '(-2', '2'), ['a']
  equal R.zincrby(k('z'), 1, 'a'), 2.5
  equal R.zpopmin(k('z')), ['m', -2.0]
  equal R.zscore(k('z'), 'none'), nil
end

test 'sets and lists' do
  R.del(k('s1'), k('s2'), k('l'))
  equal R.sadd(k('s1'), %w[a b c]), 3
  R.sadd(k('s2'), %w[b d])
  equal R.sdiff(k('s1'), k('s2')).sort, %w[a c]
  equal R.smismember(k('s1'), 'a', 'z'), [true, false]
  equal R.rpush(k('l'), %w[1 2 3]), 3
  equal R.lrange(k('l'), 0, -1), %w[1 2 3]
  equal R.lmove(k('l'), k('l'), 'LEFT', 'RIGHT'), '1'
  equal R.sort(k('l'), order: 'DESC', limit: [0, 2]), %w[3 2]
end

test 'geo' do
  R.del(k('g'))
  R.geoadd(k('g'), 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania')
  equal R.geodist(k('g'), 'Palermo', 'Catania', 'km').to_f, 166.2742
  equal R.geohash(k('g'), 'Palermo'), ['sqc8b49rny0']
end

test 'pipelines' do
  replies = R.pipelined { |p| 500.times { |i| p.set(k("p#{i}"), i) && p.get(k("p#{i}")) } }
  equal replies.size, 1000
  equal replies[999], '499'
end

test 'transactions' do
  equal(R.multi { |m| m.set(k('t1'), 1) && m.incr(k('t1')) && m.get(k('t1')) }, ['OK', 2, '2'])
  R.set(k('t'), 'text')
  raises(Redis::CommandError, /WRONGTYPE/) { R.multi { |m| m.lpush(k('t'), 'x') && m.incr(k('t1')) } }
  equal R.get(k('t1')), '3' # the other command ran
end

test 'errors' do
  R.set(k('str'), 'v')
  raises(Redis::CommandError, /\AWRONGTYPE Operation against a key holding the wrong kind of value\z/) { R.lpush(k('str'), 'x') }
  raises(Redis::CommandError, /\AERR value is not an integer or out of range\z/) { R.incr(k('str')) }
  equal R.get(k('str')), 'v'
end

test 'streams and groups' do
  R.del(k('st'))
  equal R.xgroup(:create, k('st'), 'g', '$', mkstream: true), 'OK'
  id = R.xadd(k('st'), { f: '1' })
  equal R.xreadgroup('g', 'me', k('st'), '>', count: 10), k('st') => [[id, { 'f' => '1' }]]
  equal R.xpending(k('st'), 'g')['size'], 1
  equal R.xautoclaim(k('st'), 'g', 'you', 0, '0')['entries'], [[id, { 'f' => '1' }]]
  equal R.xack(k('st'), 'g', id), 1
  equal R.xinfo(:stream, k('st'))['length'], 1
  equal R.xrange(k('st')), [[id, { 'f' => '1' }]]
end

test 'blocking pops' do
  R.del(k('q1'), k('q2'))
  waiter = Thread.new { connect.blpop(k('q1'), k('q2'), timeout: 10) }
  eventually('the client to wait') { blocked.positive? }
  R.rpush(k('q2'), 'job')
  equal waiter.value, [k('q2'), 'job']
  equal R.blpop(k('q1'), timeout: 0.01), nil
end

test 'scripts' do
  script = "redis.call('SET', KEYS[1], ARGV[1]); return {redis.call('GET', KEYS[1]), #ARGV, false}"
  sha = Digest::SHA1.hexdigest(script)
  raises(Redis::CommandError, /\ANOSCRIPT /) { R.evalsha(sha, [k('sc')], ['v']) }
  equal R.eval(script, [k('sc')], ['v']), ['v', 1, nil]
  equal R.evalsha(sha, [k('sc')], %w[v w]), ['v', 2, nil]
  raises(Redis::CommandError, /boom/) { R.eval("return redis.error_reply('boom')", [k('sc')]) }
end

test 'publish and subscribe' do
  got = Queue.new
  thread = Thread.new do
    Redis.new(url: url(NODES[0])).subscribe('rb-news') do |on|
      on.subscribe { got << :ready }
      on.message { |channel, message| got << [channel, message] && Thread.exit }
    end
  end
  equal got.pop, :ready
  DIRECT[-1].publish('rb-news', 'hello')
  equal got.pop, %w[rb-news hello]
  thread.join
end

test 'a lost connection is made again' do
  own = connect
  own.set(k('before'), '1')
  DIRECT.each { |n| n.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes') }
  eventually('the connection') do
    own.get(k('before')) == '1'
  rescue Redis::BaseConnectionError, Redis::CannotConnectError
    false
  end
end

only_standalone 'connecting' do
  equal R.info['redis_version'].start_with?('7.'), true
  equal R.client(:getname), 'redis-rb-test'
  equal R.config(:get, 'maxmemory-policy'), 'maxmemory-policy' => 'noeviction'
  equal R.info(:commandstats)['info']['calls'].to_i.positive?, true
end

only_standalone 'WATCH' do
  R.set('w', 1)
  R.watch('w')
  DIRECT[0].set('w', 2)
  equal R.multi { |m| m.set('w', 3) }, nil
  R.watch('w') { equal R.multi { |m| m.incr('w') }, [3] }
end

only_standalone 'scan of the keyspace' do
  R.mapped_mset((1..2000).to_h { |i| ["walk:#{i}", i] })
  equal R.scan_each(match: 'walk:*', count: 100).to_a.uniq.size, 2000
  equal R.scan_each(match: 'walk:*', type: 'list').to_a, []
end

only_standalone 'databases' do
  other = connect(db: 4)
  other.set('in4', 'v')
  equal R.exists?('in4'), false
  equal other.move('in4', 0), true
  equal R.get('in4'), 'v'
end

only_cluster 'keys of many slots, and a scan of all primaries' do
  300.times { |i| R.set("rb:#{i}", i) }
  equal((0...300).map { |i| R.get("rb:#{i}").to_i }, (0...300).to_a)
  equal R.scan_each(match: 'rb:*', count: 100).to_a.sort, (0...300).map { |i| "rb:#{i}" }.sort
  raises(Redis::CommandError, /slot/) { R.mget('rb:1', 'rb:2') }
end

only_cluster 'reads from replicas' do
  replicas = connect(replica: true)
  50.times { |i| R.set("rbrep:#{i}", i) }
  50.times { |i| eventually("rbrep:#{i}") { replicas.get("rbrep:#{i}") == i.to_s } }
end

only_cluster 'a planned failover is followed' do
  slot = DIRECT[0].call('CLUSTER', 'KEYSLOT', 'rb-moved')
  owners = lambda do
    DIRECT[0].call('CLUSTER', 'SLOTS').find { |from, to, *| from <= slot && slot <= to }.drop(2).map { |n| n[1] }
  end
  R.del('rb-moved')
  primary, replica = owners.call
  written = 0
  write = proc { equal R.rpush('rb-moved', written), written += 1 }
  50.times(&write)
  equal Redis.new(port: replica).call('CLUSTER', 'FAILOVER'), 'OK'
  eventually('the new primary') do
    write.call
    owners.call[0] != primary
  end
  50.times(&write)
  equal R.lrange('rb-moved', 0, -1), (0...written).map(&:to_s)
end

run

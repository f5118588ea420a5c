# What the programs in this directory share; see ../node/tap.mjs.

MODE, *NODES = ARGV
CLUSTER = MODE == 'cluster'
TESTS = []

def test(name, &block)
  TESTS << [name, block]
end

def only_standalone(name, &block)
  test(name, &block) unless CLUSTER
end

def only_cluster(name, &block)
  test(name, &block) if CLUSTER
end

def equal(got, want)
  raise "got #{got.inspect}, want #{want.inspect}" unless got == want
end

def raises(kind, pattern)
  got = yield
rescue StandardError => e
  raise "#{e.class} (#{e.message}) instead of #{kind}" unless e.instance_of?(kind)
  raise "#{e.message} does not match #{pattern}" unless e.message.match?(pattern)
else
  raise "got #{got.inspect} instead of #{kind}"
end

def eventually(what, within = 15)
  finish = Process.clock_gettime(Process::CLOCK_MONOTONIC) + within
  loop do
    value = yield
    return value if value
    raise "not within #{within} s: #{what}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > finish

    sleep 0.02
  end
end

def run
  $stdout.sync = true
  failed = 0
  TESTS.each.with_index(1) do |(name, block), i|
    block.call
    puts "ok #{i} - #{name}"
  rescue StandardError => e
    failed += 1
    puts "not ok #{i} - #{name}"
    puts e.full_message(highlight: false).gsub(/^/, '# ')
  end
  puts "1..#{TESTS.size}"
  exit(failed.zero? ? 0 : 1)
end

# Sidekiq on a standalone node.

require 'sidekiq/api'
require_relative 'tap'

ENV['REDIS_URL'] = "redis://#{NODES[0]}"
require_relative 'sidekiq_jobs'

def redis(&block)
  Sidekiq.redis(&block)
end

test 'three hundred jobs run once each' do
  150.times { |i| Count.perform_async(i) }
  Sidekiq::Client.push_bulk('class' => Count, 'args' => (150...300).map { |i| [i] })
  eventually('all jobs', 30) { redis { |r| r.hlen('ran') } == 300 }
  eventually('the empty queue') { Sidekiq::Queue.new('default').size.zero? }
  equal redis { |r| r.hvals('ran') }.uniq, ['1']
end

test 'a job is scheduled' do
  Count.perform_in(1, 'later')
  equal Sidekiq::ScheduledSet.new.map(&:klass), ['Count']
  eventually('the job', 30) { redis { |r| r.hget('ran', 'later') } == '1' }
  equal Sidekiq::ScheduledSet.new.size, 0
end

test 'jobs are tried again, and are dead in the end' do
  Fickle.perform_async(1)
  Fickle.perform_async(9)
  eventually('the dead job', 30) do
    Sidekiq::RetrySet.new.each(&:add_to_queue) # they would wait for half a minute
    Sidekiq::DeadSet.new.size == 1
  end
  equal redis { |r| r.mget('tries:1', 'tries:9', 'exhausted') }, %w[2 3 1]
  equal Sidekiq::DeadSet.new.first['error_message'], 'once more'
end

test 'statistics' do
  eventually('the counters') { Sidekiq::Stats.new.processed >= 306 && Sidekiq::Stats.new.failed == 4 }
  equal Sidekiq::ProcessSet.new.map { |p| p['queues'].sort }, [%w[critical default]]
end

worker = spawn('sidekiq', '-r', File.join(__dir__, 'sidekiq_jobs.rb'), '-q', 'critical,2', '-q', 'default', '-c', '5',
               %i[out err] => File::NULL)
at_exit do
  Process.kill('KILL', worker)
  Process.wait(worker)
end
run

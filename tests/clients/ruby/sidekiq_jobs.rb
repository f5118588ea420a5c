# The jobs of sidekiq_queue.rb; REDIS_URL is where the queues are.

require 'sidekiq'

Redis.silence_deprecations = true # of what this version of Sidekiq calls
Sidekiq.configure_server { |config| config.average_scheduled_poll_interval = 1 }

class Count
  include Sidekiq::Worker
  sidekiq_options queue: 'default'

  def perform(number)
    Sidekiq.redis { |r| r.hincrby('ran', number, 1) }
  end
end

class Fickle
  include Sidekiq::Worker
  sidekiq_options queue: 'critical', retry: 2
  sidekiq_retries_exhausted { Sidekiq.redis { |r| r.incr('exhausted') } }

  def perform(fails)
    tries = Sidekiq.redis { |r| r.incr("tries:#{fails}") }
    raise 'once more' if tries <= fails
  end
end

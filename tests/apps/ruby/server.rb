# Answers every request; Ruby 3 comes without a web server of its own.
require 'socket'

VERSION = "ruby one"

$stdout.sync = true
server = TCPServer.new('0.0.0.0', Integer(ENV.fetch('PORT')))
puts "listening on #{ENV['PORT']}"
loop do
  Thread.start(server.accept) do |client|
    while (line = client.gets) && line != "\r\n"
    end
    body = "#{VERSION} #{ENV.fetch('GREETING', 'no greeting')}\n"
    client.write "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n" \
                 "Content-Length: #{body.bytesize}\r\nConnection: close\r\n\r\n#{body}"
    client.close
  end
end

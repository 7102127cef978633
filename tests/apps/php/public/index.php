<?php
// The front controller: Caddy sends every path here that is no file.
require __DIR__ . '/../vendor/autoload.php';

header('Content-Type: text/plain; charset=utf-8');
$greeting = getenv('GREETING') ?: 'no greeting';
echo Hello\Version::VERSION, " $greeting ", $_SERVER['REQUEST_URI'], "\n";

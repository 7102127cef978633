use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

const VERSION: &str = "rust one";

fn main() {
    let port = env::var("PORT").expect("PORT is not set");
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).expect("the port is in use");
    println!("listening on {port}");
    for client in listener.incoming().flatten() {
        thread::spawn(move || {
            let request = BufReader::new(&client).lines();
            for _ in request.map_while(Result::ok).take_while(|line| !line.is_empty()) {}
            let greeting = env::var("GREETING").unwrap_or_else(|_| "no greeting".into());
            let body = format!("{VERSION} {greeting}\n");
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close";
            let length = body.len();
            let _ = (&client).write_all(format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes());
        });
    }
}

//! One page of each cloud, made of the recorded instances of `benches/peers/pages`, and who serves them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// As many as the clouds give at most.
pub(crate) const EC2_PAGE: usize = 1_000;
pub(crate) const COMPUTE_PAGE: usize = 500;

const RESERVATION: &str = include_str!("../peers/pages/ec2_reservation.xml");
const INSTANCE: &str = include_str!("../peers/pages/compute_instance.json");
const ZONE: &str = "us-central1-a";

/// Serves the pages from threads, for as long as the process lives: Compute Engine's to whoever gets, EC2's to whoever
/// posts.
pub(crate) fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    let answers = Arc::new((answer("text/xml", &ec2()), answer("application/json", &compute())));
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let answers = Arc::clone(&answers);
            thread::spawn(move || serve_one(connection, &answers));
        }
    });
    address
}

fn serve_one(connection: TcpStream, answers: &(Vec<u8>, Vec<u8>)) {
    let _ = connection.set_nodelay(true);
    let mut writer = connection.try_clone().expect("a second handle");
    let mut reader = BufReader::new(connection);
    loop {
        let (mut method, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if method.is_empty() {
                method = line;
            } else if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            } else if line.is_empty() {
                break;
            }
        }
        if std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).is_err() {
            return;
        }
        let (ec2, compute) = answers;
        let answer = if method.starts_with("post") { ec2 } else { compute };
        if writer.write_all(answer).is_err() {
            return;
        }
    }
}

fn answer(kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn ec2() -> String {
    let items: String = (0..EC2_PAGE)
        .map(|number| filled(RESERVATION, "us-east-1a", number))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n    <requestId>1</requestId>\n    \
         <reservationSet>\n{items}    </reservationSet>\n</DescribeInstancesResponse>\n"
    )
}

fn compute() -> String {
    let items: Vec<String> = (0..COMPUTE_PAGE).map(|number| filled(INSTANCE, ZONE, number)).collect();
    let items = items.join(",\n");
    format!(
        "{{\"kind\": \"compute#instanceAggregatedList\", \"items\": {{\"zones/{ZONE}\": {{\"instances\": [\n{items}\n]}}}}}}"
    )
}

/// A recorded instance with its gaps filled in, which look like `%(name)s`.
fn filled(template: &str, zone: &str, number: usize) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, gap)) = rest.split_once("%(") {
        let (name, after) = gap.split_once(")s").expect("the end of a gap");
        text.push_str(before);
        text.push_str(&match name {
            "zone" => zone.to_owned(),
            "region" => zone.rsplit_once('-').expect("a zone").0.to_owned(),
            "root" => "https://www.googleapis.com/compute/v1/projects/peers".to_owned(),
            "id" | "disk_id" => (4_000_000_000_000_000_000_u64 + number as u64).to_string(),
            "instance_id" => format!("i-{number:017x}"),
            "private_address" | "public_address" => format!("10.0.{}.{}", number >> 8, number & 255),
            other => format!("{other}-{number}"),
        });
        rest = after;
    }
    text + rest
}

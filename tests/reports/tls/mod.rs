//! A TLS server with a certificate of an unknown authority, in front of a plain server. The certificate is for
//! 127.0.0.1 only.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The authority's certificate.
pub const AUTHORITY: &str = include_str!("authority.pem");

/// The certificate of the server that is its own authority.
pub const SELF_SIGNED: &str = include_str!("self_signed.pem");

/// The server. Its threads end with the test's process.
pub struct TlsServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl TlsServer {
    /// Passes one request after the other on to the server at a plain address such as `http://127.0.0.1:80`.
    pub fn before(plain: &str) -> Self {
        Self::with(include_bytes!("server.pem"), include_bytes!("server.key"), plain)
    }

    /// The same with the certificate of an authority as its own, as `openssl req -x509` makes it.
    pub fn self_signed_before(plain: &str) -> Self {
        Self::with(SELF_SIGNED.as_bytes(), include_bytes!("self_signed.key"), plain)
    }

    fn with(certificate: &[u8], key: &[u8], plain: &str) -> Self {
        let plain = plain.strip_prefix("http://").expect("a plain address").to_owned();
        let certificate = CertificateDer::from_pem_slice(certificate).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(key).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a pair");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let (config, plain) = (Arc::clone(&config), plain.clone());
                std::thread::spawn(move || {
                    let connection = ServerConnection::new(config).expect("a connection");
                    let _ = pass_on(StreamOwned::new(connection, client), &plain);
                });
            }
        });
        Self { address, connections }
    }

    /// `https://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// How many connections came in.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// One request, and its answer until the plain server closes.
fn pass_on(mut client: StreamOwned<ServerConnection, TcpStream>, plain: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let mut more = |client: &mut StreamOwned<ServerConnection, TcpStream>, request: &mut Vec<u8>| {
        let read = client.read(&mut buffer)?;
        request.extend_from_slice(&buffer[..read]);
        // Without this, a client that goes away would keep a processor busy.
        (read > 0).then_some(()).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        Ok::<_, std::io::Error>(())
    };
    let end = loop {
        more(&mut client, &mut request)?;
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |length| length.trim().parse().unwrap_or(0));
    while request.len() < end + length {
        more(&mut client, &mut request)?;
    }
    let mut server = TcpStream::connect(plain)?;
    // The plain server is to close, so that the end of its answer is known.
    server.write_all(&request[..end - 2])?;
    server.write_all(b"connection: close\r\n\r\n")?;
    server.write_all(&request[end..])?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    client.write_all(&answer)?;
    client.flush()?;
    client.conn.send_close_notify();
    client.flush()
}

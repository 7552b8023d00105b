//! The HTTP side that both emulators share: a keep-alive server on a free loopback port, a log of the calls
//! it got, and faults that strike before or after a call takes effect.
//!
//! An emulator is a [`Service`]: it names the operation of a request, and answers it from its own state.
//! Everything that a network or a faulty cloud does to that answer happens here, so that no emulator
//! needs to know about faults.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::faults::{Effect, Fault, FaultRules, Side};
use crate::recorded_call::{Call, Operation, Reply, Request};

/// An emulated cloud. Both methods see the same request; `answer` may change the cloud's state.
pub trait Service: Send + Sync + 'static {
    /// What a request asks for.
    fn operation(&self, request: &Request) -> Operation;
    /// Carries out a request and answers it.
    fn answer(&self, request: &Request) -> Reply;
    /// How long to hold a request back before it is answered; asked again after that time, with what was
    /// waited in all, until it is `None`.
    fn hold(&self, _request: &Request, _waited: Duration) -> Option<Duration> {
        None
    }
    /// Moves the service's clock on. A service without a clock does nothing.
    fn advance(&self, _by: Duration) {}
    /// The service's own error shape, for faults that answer with an error instead.
    fn error(&self, status: u16, code: &str, message: &str) -> Reply;
}

#[derive(Default)]
struct Control {
    faults: FaultRules,
    calls: Vec<Call>,
}

/// A running emulator; the server stops when this is dropped.
pub struct Server<S> {
    /// The emulated cloud, with its state.
    pub service: Arc<S>,
    address: SocketAddr,
    control: Arc<Mutex<Control>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl<S: Service> Server<S> {
    /// Serves on a free loopback port, from a thread of its own.
    pub fn start(service: S) -> Self {
        Self::start_on(service, 0).expect("there is a free port")
    }

    /// Serves on the given loopback port; 0 is any free one. Fails if the port is taken.
    pub fn start_on(service: S, port: u16) -> std::io::Result<Self> {
        Self::open(Arc::new(service), port)
    }

    /// Another way into the same service, for one process among many.
    pub fn open_endpoint(&self) -> Endpoint {
        let server = Self::open(Arc::clone(&self.service), 0).expect("there is a free port");
        Endpoint {
            url: server.url(),
            control: Arc::clone(&server.control),
            _server: Box::new(server),
        }
    }

    fn open(service: Arc<S>, port: u16) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let control = Arc::new(Mutex::new(Control::default()));
        let (stop, stopped) = oneshot::channel();
        let (served, controlled) = (Arc::clone(&service), Arc::clone(&control));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for the emulator");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("a listener in this runtime");
                tokio::select! {
                    () = serve(listener, served, controlled) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self {
            service,
            address,
            control,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:PORT`, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a fault; rules are tried in the order they were added, and the first that strikes wins.
    pub fn inject(&self, fault: Fault) {
        self.control.lock().expect("control").faults.add(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.control.lock().expect("control").faults.clear();
    }

    /// Every call since the start or the last [`Server::forget_calls`].
    pub fn calls(&self) -> Vec<Call> {
        self.control.lock().expect("control").calls.clone()
    }

    /// How often an operation was called.
    pub fn count(&self, operation: &str) -> usize {
        let control = self.control.lock().expect("control");
        control
            .calls
            .iter()
            .filter(|call| call.operation.name == operation)
            .count()
    }

    /// Empties the log of calls.
    pub fn forget_calls(&self) {
        self.control.lock().expect("control").calls.clear();
    }
}

/// A way into a service with faults and a log of calls of its own; it closes when this is dropped.
pub struct Endpoint {
    /// `http://127.0.0.1:PORT`, without a slash at its end.
    pub url: String,
    control: Arc<Mutex<Control>>,
    _server: Box<dyn std::any::Any + Send>,
}

impl Endpoint {
    /// Forgets the calls and the faults so far, and adds these.
    pub fn reset(&self, faults: impl IntoIterator<Item = Fault>) {
        let mut control = self.control.lock().expect("control");
        control.faults.clear();
        faults.into_iter().for_each(|fault| control.faults.add(fault));
        control.calls.clear();
    }

    /// Adds a fault.
    pub fn inject(&self, fault: Fault) {
        self.control.lock().expect("control").faults.add(fault);
    }

    /// Every call that came this way since the start or the last [`Endpoint::reset`].
    pub fn calls(&self) -> Vec<Call> {
        self.control.lock().expect("control").calls.clone()
    }

    /// How often an operation was called.
    pub fn count(&self, operation: &str) -> usize {
        let control = self.control.lock().expect("control");
        let calls = control.calls.iter();
        calls.filter(|call| call.operation.name == operation).count()
    }

    /// How many calls came in, and whether all of them are answered.
    pub fn traffic(&self) -> (usize, bool) {
        let control = self.control.lock().expect("control");
        let is_over = control.calls.iter().all(|call| call.status.is_some());
        (control.calls.len(), is_over)
    }
}

impl<S> Drop for Server<S> {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve<S: Service>(listener: TcpListener, service: Arc<S>, control: Arc<Mutex<Control>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        // Two small writes an answer would otherwise wait for each other's acknowledgement (Nagle).
        let _ = stream.set_nodelay(true);
        let (service, control) = (Arc::clone(&service), Arc::clone(&control));
        tokio::spawn(async move {
            let handler = service_fn(move |request| handle(request, Arc::clone(&service), Arc::clone(&control)));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), handler)
                .await;
        });
    }
}

type Answer = hyper::Response<BoxBody<Bytes, std::io::Error>>;

async fn handle<S: Service>(
    request: hyper::Request<Incoming>,
    service: Arc<S>,
    control: Arc<Mutex<Control>>,
) -> Result<Answer, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes().to_vec();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers,
        body,
    };
    let operation = service.operation(&request);
    let (effect, index) = {
        let mut control = control.lock().expect("control");
        let effect = control.faults.strike(&operation);
        control.calls.push(Call {
            operation,
            request: request.clone(),
            status: None,
            arrived_at: Instant::now(),
            answered_at: None,
        });
        (effect, control.calls.len() - 1)
    };
    let cut = || std::io::Error::other("the fault cuts the connection");
    let reply = match &effect {
        Some(Effect::ResetBefore) => return Err(cut()),
        Some(Effect::HangBefore) => return std::future::pending().await,
        Some(Effect::ErrorBefore { status, code }) => service.error(*status, code, "injected"),
        Some(Effect::ProxyBefore { status, body }) => foreign(*status, body),
        Some(Effect::Hold(gate)) => {
            // By itself, so that it goes on although its client is gone.
            let (gate, on_its_way, request) = (Arc::clone(gate), Arc::clone(&service), request.clone());
            let last = async move {
                match gate.side {
                    Side::Before | Side::InTransit => {
                        gate.pass().await;
                        on_its_way.answer(&request)
                    }
                    Side::After => {
                        let reply = on_its_way.answer(&request);
                        gate.pass().await;
                        reply
                    }
                }
            };
            if matches!(&effect, Some(Effect::Hold(gate)) if gate.side == Side::Before) {
                last.await
            } else {
                tokio::spawn(last).await.map_err(std::io::Error::other)?
            }
        }
        _ => {
            if let Some(Effect::AdvanceClock(by)) = effect {
                service.advance(by);
            }
            let arrived = tokio::time::Instant::now();
            while let Some(pause) = service.hold(&request, arrived.elapsed()) {
                tokio::time::sleep(pause).await;
            }
            service.answer(&request)
        }
    };
    let mut truncate = false;
    let reply = match effect {
        Some(Effect::ResetAfter) => return Err(cut()),
        Some(Effect::HangAfter) => return std::future::pending().await,
        Some(Effect::ErrorAfter { status, code }) => service.error(status, &code, "injected"),
        Some(Effect::ProxyAfter { status, body }) => foreign(status, &body),
        Some(Effect::Rewrite(rewrite)) => Reply {
            body: rewrite(String::from_utf8_lossy(&reply.body).into_owned()).into_bytes(),
            ..reply
        },
        Some(Effect::Garbage) => Reply {
            body: b"\x00<<{not what was promised".to_vec(),
            ..reply
        },
        Some(Effect::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            reply
        }
        Some(Effect::Truncate) => {
            truncate = true;
            reply
        }
        _ => reply,
    };
    if let Some(call) = control.lock().expect("control").calls.get_mut(index) {
        call.status = Some(reply.status);
        call.answered_at = Some(Instant::now());
    }
    let mut answer = hyper::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        answer = answer.header(name, value);
    }
    let bytes = Bytes::from(reply.body);
    let body = if truncate {
        Half::of(&bytes).boxed()
    } else {
        Full::new(bytes).map_err(|never: Infallible| match never {}).boxed()
    };
    answer.body(body).map_err(std::io::Error::other)
}

fn foreign(status: u16, body: &str) -> Reply {
    Reply {
        status,
        headers: vec![("content-type".to_owned(), "text/html".to_owned())],
        body: body.as_bytes().to_vec(),
    }
}

/// A body that promises its whole length, gives half, and fails.
struct Half {
    first: Option<Bytes>,
    promised: u64,
}

impl Half {
    fn of(whole: &Bytes) -> Self {
        Self {
            first: Some(whole.slice(..whole.len() / 2)),
            promised: whole.len() as u64,
        }
    }
}

impl Body for Half {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(match self.first.take() {
            Some(bytes) => Ok(Frame::data(bytes)),
            None => Err(std::io::Error::other("the fault truncates the body")),
        }))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}

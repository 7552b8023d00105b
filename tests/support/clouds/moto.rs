//! moto, an EC2 emulator that we did not write, as a server of its own. One server serves a test binary. A test that
//! uses it has it alone, and finds it empty.

// Each test binary uses another part of it.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use cloud_emulators::client_commands::aws;
use cloud_emulators::python_environment;

use crate::support::clouds::ec2::{DIFFERENCES, SITE, run_instance};
use crate::support::sandbox::aws_environment;
use crate::support::test_cloud::{Differences, Labels, ObservedInstance, TestCloud, TestSite, common_state};

static SERVER: Mutex<Option<Server>> = Mutex::new(None);

struct Server {
    port: u16,
    process: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// moto, for one test.
pub struct Moto {
    server: MutexGuard<'static, Option<Server>>,
}

impl Moto {
    /// Starts moto if it does not run yet, and empties it.
    pub fn start() -> Self {
        let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        if server.is_none() {
            *server = Some(start());
        }
        let moto = Self { server };
        moto.call("POST", "/moto-api/reset");
        moto
    }

    /// Ends the server. Statics are never dropped, so a test binary has to say when it is done.
    pub fn stop() {
        drop(SERVER.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    fn port(&self) -> u16 {
        self.server.as_ref().expect("moto runs").port
    }

    /// moto's own memory of its instances, of all regions.
    pub fn instances(&self) -> Vec<Value> {
        let data: Value = serde_json::from_str(&self.call("GET", "/moto-api/data.json")).expect("moto's state");
        data["ec2"]["Instance"].as_array().cloned().unwrap_or_default()
    }

    fn call(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).expect("moto listens");
        let request = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("moto reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("moto answers");
        answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default()
    }
}

impl TestCloud for Moto {
    fn provider(&self) -> &'static str {
        "aws"
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        aws_environment(&self.url())
    }

    fn site(&self) -> TestSite {
        SITE
    }

    fn differences(&self) -> Differences {
        Differences {
            has_disks: false,
            records_calls: false,
            disabled_region: None,
            ..DIFFERENCES
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// moto's instances, as the AWS command line sees them.
    fn instances(&self) -> Vec<ObservedInstance> {
        let mut all = Vec::new();
        for region in [SITE.home_region, SITE.other_region] {
            let answer = aws(&self.url(), &["ec2", "describe-instances", "--region", region]);
            for reservation in answer["Reservations"].as_array().into_iter().flatten() {
                let instances = reservation["Instances"].as_array().into_iter().flatten();
                all.extend(instances.map(|one| observe(region, one)));
            }
        }
        all
    }

    fn create_unmanaged(&self, name: &str) -> String {
        run_instance(&self.url(), "ami-0aaaaaaaaaaaaaa01", name)
    }
}

fn observe(region: &str, one: &Value) -> ObservedInstance {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tags = one["Tags"].as_array().into_iter().flatten();
    let labels: Labels = tags.map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect();
    ObservedInstance {
        name: labels.get("Name").cloned().unwrap_or_default(),
        id: text(&one["InstanceId"]),
        state: common_state(one["State"]["Name"].as_str().unwrap_or_default()),
        region: region.to_owned(),
        zone: text(&one["Placement"]["AvailabilityZone"]),
        labels,
        spot: one["InstanceLifecycle"] == "spot",
    }
}

fn start() -> Server {
    let port = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let images = folder.join(format!("moto-images-{port}.json"));
    std::fs::write(&images, image_file().to_string()).expect("the image file");
    let process = Command::new(python_environment::programs().join("moto_server"))
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .env("MOTO_AMIS_PATH", &images)
        .env("MOTO_ENABLE_AMI_VALIDATION", "true")
        .env("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("moto_server starts");
    let server = Server { port, process };
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "moto_server listens within a minute");
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

/// moto's own Ubuntu images stop at 16.04.
fn image_file() -> Value {
    let image = |id: &str, architecture: &str, word: &str| {
        json!({
            "ami_id": id,
            "name": format!("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{word}-server-20251022"),
            "description": "Canonical, Ubuntu, 24.04",
            "owner_id": "099720109477",
            "architecture": architecture,
            "image_location": "099720109477/ubuntu-noble",
            "image_type": "machine",
            "public": true,
            "platform": null,
            "state": "available",
            "virtualization_type": "hvm",
            "hypervisor": "xen",
            "root_device_name": "/dev/sda1",
            "root_device_type": "ebs",
            "sriov": "simple",
            "creation_date": "2025-10-22T00:00:00.000Z",
        })
    };
    json!([
        image("ami-0aaaaaaaaaaaaaa01", "x86_64", "amd64"),
        image("ami-0aaaaaaaaaaaaaa02", "arm64", "arm64"),
    ])
}

//! Each row of the table of AWS settings, on the real binary: an honoured setting has its effect, and a refused one is
//! named.

use cloudctl::cloud::ProviderKind;
use cloudctl::providers::{Driver, Drivers};
use cloudctl::settings::{CloudToolSetting, SettingPlace, Treatment};

use crate::aws_credentials::{Answers, assumed, list, sandbox_at, signer};
use crate::support::sandbox::{Run, Sandbox};
use crate::tls::{AUTHORITY, TlsServer};
use cloud_emulators::ec2;
use cloud_emulators::faults::{Effect, Fault};
use cloud_emulators::http::Server;

const ID: &str = "AKIAROWROWROWROWROWR";
const CONTAINER: &str = "{\"AccessKeyId\":\"ASIACONTAINERCONTAIN\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\
                         \"Expiration\":\"2099-01-01T00:00:00Z\"}";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/row";

fn aws() -> Driver {
    *Drivers::default().get(ProviderKind::Aws)
}

/// A row, and a sandbox and an EC2 to try it in.
struct Trial {
    row: &'static CloudToolSetting,
    sandbox: Sandbox,
    emulator: ec2::Emulator,
    config: String,
}

impl Trial {
    /// Without credentials.
    fn bare(row: &'static CloudToolSetting) -> Self {
        let emulator = ec2::Emulator::start();
        Self {
            row,
            sandbox: sandbox_at(&emulator.url()),
            emulator,
            config: "[default]\n".to_owned(),
        }
    }

    /// With keys in the environment.
    fn new(row: &'static CloudToolSetting) -> Self {
        let mut trial = Self::bare(row);
        trial
            .sandbox
            .set("AWS_ACCESS_KEY_ID", ID)
            .set("AWS_SECRET_ACCESS_KEY", "secret");
        trial
    }

    /// Without an address of EC2.
    fn without_address(row: &'static CloudToolSetting) -> Self {
        let mut trial = Self::new(row);
        trial.sandbox.unset("AWS_ENDPOINT_URL").set("AWS_MAX_ATTEMPTS", "1");
        trial
    }

    /// Adds lines to the default profile.
    fn with(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self
    }

    /// Sets the row's own setting.
    fn set(&mut self, value: &str) -> &mut Self {
        match self.row.place {
            SettingPlace::Variable => {
                self.sandbox.set(self.row.name, value);
                self.sandbox.write("home/.aws/config", &self.config);
            }
            _ => {
                let line = format!("[default]\n{} = {value}\n", self.row.name);
                let text = self.config.replacen("[default]\n", &line, 1);
                self.sandbox.write("home/.aws/config", &text);
            }
        }
        self
    }

    fn list(&self, code: i32) -> Run {
        let run = list(&self.sandbox);
        assert_eq!(run.code, code, "{:?}\n{}", self.row, run.stderr);
        run
    }

    /// A value that makes no sense is refused by the row's name.
    fn refuses(&mut self, value: &str) -> &mut Self {
        self.set(value);
        let calls = self.emulator.calls().len();
        let run = self.list(2);
        assert!(run.stderr.contains(self.row.name), "{:?}: {}", self.row, run.stderr);
        assert_eq!(self.emulator.calls().len(), calls);
        self
    }

    fn signs(&self, id: &str) {
        self.list(0);
        assert_eq!(signer(&self.emulator), id, "{:?}", self.row);
    }
}

/// Whom a secure call is for, as the proxy sees it.
fn asked(sandbox: &mut Sandbox, arguments: &[&str]) -> String {
    let proxy = Answers::start(502, "");
    sandbox.set("HTTPS_PROXY", &proxy.url()).unset("NO_PROXY");
    let _ = sandbox.run(arguments);
    let requests = proxy.service.requests.lock().unwrap();
    requests
        .first()
        .map(|request| request.headers["host"].clone())
        .unwrap_or_default()
}

/// A service that answers as the container's agent or the metadata service does.
fn container() -> Server<Answers> {
    Answers::start(200, CONTAINER)
}

fn body_of_first(server: &Server<Answers>) -> String {
    let requests = server.service.requests.lock().unwrap();
    String::from_utf8(requests[0].body.clone()).unwrap()
}

/// A role that the row's setting is about, and what STS was asked.
fn role(row: &'static CloudToolSetting, value: &str, lines: &str) -> (Trial, Server<Answers>) {
    let sts = Answers::start(200, assumed("AssumeRole", "ASIAROLEROLEROLEROLE"));
    let mut trial = Trial::bare(row).with(lines).with(&format!(
        "[profile base]\naws_access_key_id = {ID}\naws_secret_access_key = s\n"
    ));
    trial.sandbox.set("AWS_ENDPOINT_URL_STS", &sts.url());
    trial.set(value).signs("ASIAROLEROLEROLEROLE");
    (trial, sts)
}

fn web_identity(row: &'static CloudToolSetting) {
    let sts = Answers::start(200, assumed("AssumeRoleWithWebIdentity", "ASIATOKENTOKENTOKENT"));
    let mut trial = Trial::bare(row);
    let token = trial.sandbox.write("token", "a-web-token\n");
    trial.sandbox.set("AWS_ENDPOINT_URL_STS", &sts.url());
    if row.place == SettingPlace::Variable {
        trial
            .sandbox
            .set("AWS_WEB_IDENTITY_TOKEN_FILE", &token)
            .set("AWS_ROLE_ARN", ROLE)
            .set("AWS_ROLE_SESSION_NAME", "row");
        trial.signs("ASIATOKENTOKENTOKENT");
        assert!(body_of_first(&sts).contains("RoleSessionName=row"));
    } else {
        trial = trial.with(&format!("role_arn = {ROLE}\n"));
        trial.set(&token).signs("ASIATOKENTOKENTOKENT");
    }
    let body = body_of_first(&sts);
    assert!(
        body.contains("WebIdentityToken=a-web-token&") || body.ends_with("WebIdentityToken=a-web-token"),
        "{body}"
    );
    assert!(body.contains("role%2Frow"), "{body}");
}

fn sso(row: &'static CloudToolSetting) {
    let mut trial = Trial::bare(row);
    let lines = [
        ("sso_start_url", "https://acme.awsapps.com/start"),
        ("sso_region", "eu-west-1"),
        ("sso_account_id", "123456789012"),
        ("sso_role_name", "Admin"),
    ];
    if row.name == "sso_registration_scopes" {
        trial
            .sandbox
            .set("AWS_ACCESS_KEY_ID", ID)
            .set("AWS_SECRET_ACCESS_KEY", "s");
        return trial.set("sso:account:access").signs(ID);
    }
    // The file that `aws sso login` leaves is named by the SHA-1 of the address, or of the session's name.
    let portal = Answers::start(
        200,
        "{\"roleCredentials\":{\"accessKeyId\":\"ASIASSOSSOSSOSSOSSOS\",\"secretAccessKey\":\"s\",\"sessionToken\":\"t\",\
         \"expiration\":4070908800000}}",
    );
    let token = "{\"startUrl\":\"https://acme.awsapps.com/start\",\"region\":\"eu-west-1\",\"accessToken\":\"portal-token\",\
                 \"expiresAt\":\"2099-01-01T00:00:00Z\"}";
    for name in [SHA1_OF_START_URL, SHA1_OF_ACME] {
        trial.sandbox.write(&format!("home/.aws/sso/cache/{name}.json"), token);
    }
    trial.sandbox.set("AWS_ENDPOINT_URL_SSO", &portal.url());
    if row.name == "sso_session" {
        let below = "sso_account_id = 123456789012\nsso_role_name = Admin\n[sso-session acme]\n\
                     sso_start_url = https://acme.awsapps.com/start\nsso_region = eu-west-1\n";
        trial = trial.with(below);
        trial.set("acme").signs("ASIASSOSSOSSOSSOSSOS");
        return;
    }
    for (name, value) in lines.iter().filter(|(name, _)| *name != row.name) {
        trial = trial.with(&format!("{name} = {value}\n"));
    }
    // Without it the profile is not whole, and says so.
    trial.sandbox.write("home/.aws/config", &trial.config);
    let run = trial.list(4);
    run.expect_in_stderr(row.name);
    let own = lines
        .iter()
        .find(|(name, _)| *name == row.name)
        .map_or("", |(_, value)| value);
    if row.place == SettingPlace::AwsProfile {
        trial.set(own).signs("ASIASSOSSOSSOSSOSSOS");
        let path = portal.calls()[0].request.query.clone();
        assert!(
            path.contains("account_id=123456789012") && path.contains("role_name=Admin"),
            "{path}"
        );
    }
}

const SHA1_OF_START_URL: &str = "40169cea58ca6cbf23fb27b2542923fb5f524af0";
const SHA1_OF_ACME: &str = "293abb6b76d7791c0732cc517d38c4b5c734b87f";

/// The trial of a row; nothing if there is none.
fn trial_of(row: &'static CloudToolSetting) -> Option<fn(&'static CloudToolSetting)> {
    Some(match row.name {
        "AWS_PROFILE" | "AWS_DEFAULT_PROFILE" => |row| {
            let mut trial = Trial::bare(row).with("[profile row]\naws_access_key_id = A\naws_secret_access_key = s\n");
            trial.set("row").signs("A");
        },
        "AWS_CONFIG_FILE" | "AWS_SHARED_CREDENTIALS_FILE" => |row| {
            let mut trial = Trial::bare(row);
            let text = format!("[default]\naws_access_key_id = {ID}\naws_secret_access_key = s\n");
            let path = trial.sandbox.write("elsewhere", &text);
            trial.set(&path).signs(ID);
            trial.sandbox.write("home/elsewhere", &text.replace(ID, "HOME"));
            trial.set("~/elsewhere").signs("HOME");
        },
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_CREDENTIAL_EXPIRATION" => |row| {
            let mut trial = Trial::new(row).with("aws_access_key_id = A\naws_secret_access_key = s\n");
            trial.sandbox.write("home/.aws/config", &trial.config);
            if row.name == "AWS_CREDENTIAL_EXPIRATION" {
                trial.set("2020-01-01T00:00:00Z");
            }
            trial.signs(ID);
        },
        "aws_access_key_id" | "aws_secret_access_key" => |row| {
            let other = match row.name {
                "aws_access_key_id" => "aws_secret_access_key = B\n",
                _ => "aws_access_key_id = B\n",
            };
            let mut trial = Trial::bare(row).with(other);
            trial
                .set("A")
                .signs(if row.name == "aws_access_key_id" { "A" } else { "B" });
        },
        "AWS_SESSION_TOKEN" | "AWS_SECURITY_TOKEN" | "aws_session_token" | "aws_security_token" => |row| {
            let mut trial = match row.place {
                SettingPlace::Variable => Trial::new(row),
                _ => Trial::bare(row).with("aws_access_key_id = A\naws_secret_access_key = s\n"),
            };
            trial.set("row-token").list(0);
            let headers = trial.emulator.calls()[0].request.headers.clone();
            assert_eq!(headers["x-amz-security-token"], "row-token");
        },
        "AWS_WEB_IDENTITY_TOKEN_FILE" | "AWS_ROLE_ARN" | "AWS_ROLE_SESSION_NAME" | "web_identity_token_file" => {
            web_identity
        }
        "AWS_CONTAINER_CREDENTIALS_FULL_URI"
        | "AWS_CONTAINER_AUTHORIZATION_TOKEN"
        | "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" => |row| {
            let (mut trial, server) = (Trial::bare(row), container());
            let uri = format!("{}/row", server.url());
            trial.sandbox.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri);
            let value = match row.name {
                "AWS_CONTAINER_AUTHORIZATION_TOKEN" => "a-token".to_owned(),
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" => trial.sandbox.write("token", "a-token"),
                _ => uri,
            };
            trial.set(&value).signs("ASIACONTAINERCONTAIN");
            let call = server.calls()[0].request.clone();
            assert_eq!(call.path, "/row");
            let token = call.headers.get("authorization").map(String::as_str);
            assert_eq!(token, row.name.contains("TOKEN").then_some("a-token"));
        },
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" => |row| {
            // The address that it is below is not to be had here.
            let mut trial = Trial::bare(row);
            let run = trial.set("/v2/row").list(4);
            run.expect_in_stderr("the container's credentials (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)");
        },
        "AWS_EC2_METADATA_DISABLED" => |row| {
            let (mut trial, server) = (Trial::bare(row), Answers::start(404, ""));
            trial.sandbox.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.url());
            trial.set("true").list(4);
            assert!(server.calls().is_empty());
            trial.set("false").list(4);
            assert!(!server.calls().is_empty());
        },
        "AWS_EC2_METADATA_SERVICE_ENDPOINT" | "ec2_metadata_service_endpoint" => |row| {
            let (mut trial, server) = (Trial::bare(row), Answers::start(404, ""));
            let proxy = Answers::start(502, "");
            trial
                .sandbox
                .unset("AWS_EC2_METADATA_DISABLED")
                .set("HTTP_PROXY", &proxy.url());
            trial.refuses("169.254.169.254");
            trial.set(&server.url()).list(4);
            assert!(!server.calls().is_empty() && proxy.calls().is_empty());
        },
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
        | "ec2_metadata_service_endpoint_mode"
        | "AWS_METADATA_SERVICE_TIMEOUT"
        | "metadata_service_timeout"
        | "AWS_METADATA_SERVICE_NUM_ATTEMPTS"
        | "metadata_service_num_attempts" => |row| {
            let (mut trial, server) = (Trial::bare(row), Answers::start(500, ""));
            trial.sandbox.unset("AWS_EC2_METADATA_DISABLED");
            trial.sandbox.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &server.url());
            trial.refuses("often");
            let is_number = row.name.to_lowercase().contains("attempts");
            let value = if row.name.to_lowercase().ends_with("mode") {
                "IPv4"
            } else {
                "1"
            };
            trial.set(value).list(4);
            assert!(!is_number || server.calls().len() == 1, "{}", server.calls().len());
        },
        "AWS_EC2_METADATA_V1_DISABLED" | "ec2_metadata_v1_disabled" => |row| {
            Trial::new(row).refuses("maybe").set("true").signs(ID);
        },
        "role_arn" => |row| drop(role(row, ROLE, "source_profile = base\n")),
        "source_profile" => |row| drop(role(row, "base", &format!("role_arn = {ROLE}\n"))),
        "credential_source" => |row| {
            let sts = Answers::start(200, assumed("AssumeRole", "ASIAROLEROLEROLEROLE"));
            let server = container();
            for (value, signer) in [("Environment", ID), ("EcsContainer", "ASIACONTAINERCONTAIN")] {
                let mut trial = Trial::new(row).with("[profile other]\n");
                trial.config = format!("[default]\n[profile row]\nrole_arn = {ROLE}\ncredential_source = {value}\n");
                trial.sandbox.write("home/.aws/config", &trial.config);
                trial
                    .sandbox
                    .set("AWS_ENDPOINT_URL_STS", &sts.url())
                    .set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &server.url());
                let context = "current = \"row\"\n[contexts.row.aws]\nprofile = \"row\"\n";
                let path = trial.sandbox.write("contexts.toml", context);
                trial.sandbox.set("CLOUDCTL_CONFIG", &path);
                trial.signs("ASIAROLEROLEROLEROLE");
                let request = sts.calls().last().unwrap().request.clone();
                assert!(request.headers["authorization"].contains(signer), "{value}");
            }
        },
        "external_id" | "duration_seconds" | "role_session_name" => |row| {
            let (value, part) = match row.name {
                "external_id" => ("outside", "ExternalId=outside"),
                "duration_seconds" => ("900", "DurationSeconds=900"),
                _ => ("ada", "RoleSessionName=ada"),
            };
            let (_trial, sts) = role(row, value, &format!("role_arn = {ROLE}\nsource_profile = base\n"));
            assert!(body_of_first(&sts).contains(part));
        },
        "mfa_serial" => |row| {
            let lines = format!("role_arn = {ROLE}\nsource_profile = base\n");
            let (trial, _sts) = role(row, "arn:aws:iam::123456789012:mfa/ada", &lines);
            drop(_sts);
            trial.list(9);
        },
        "credential_process" => |row| {
            let mut trial = Trial::bare(row);
            let json = format!("{{\"Version\":1,\"AccessKeyId\":\"{ID}\",\"SecretAccessKey\":\"s\"}}");
            let file = trial.sandbox.write("keys.json", &json);
            trial.set(&format!("cat '{file}'")).signs(ID);
        },
        name if name.starts_with("sso_") => sso,
        "AWS_ACCOUNT_ID" | "aws_account_id" => |row| Trial::new(row).set("123456789012").signs(ID),
        "AWS_ACCOUNT_ID_ENDPOINT_MODE" | "account_id_endpoint_mode" => |row| {
            Trial::new(row)
                .refuses("required")
                .refuses("x")
                .set("preferred")
                .signs(ID);
        },
        "AWS_REGION" | "AWS_DEFAULT_REGION" | "region" => |row| {
            let mut trial = Trial::new(row);
            trial.sandbox.unset("AWS_REGION");
            trial.refuses("eu_west!");
            trial.set(" eu-west-1 ");
            trial.sandbox.run("whoami -p aws").expect(0);
            let header = trial.emulator.calls()[0].request.headers["authorization"].clone();
            assert!(header.contains("/eu-west-1/sts/"), "{header}");
        },
        "AWS_ENDPOINT_URL" | "endpoint_url" => |row| {
            let mut trial = Trial::without_address(row);
            trial.refuses("localhost:4566");
            let url = trial.emulator.url();
            trial.set(&url).signs(ID);
            trial.sandbox.run("whoami -p aws").expect(0);
        },
        "AWS_ENDPOINT_URL_EC2" | "AWS_ENDPOINT_URL_STS" | "AWS_ENDPOINT_URL_PRICING" => |row| {
            let mut trial = Trial::new(row);
            let own = Answers::start(403, "");
            trial.refuses("localhost:4566");
            trial.set(&own.url());
            trial.sandbox.set("AWS_MAX_ATTEMPTS", "1");
            let catalog = trial.sandbox.folder().join("prices.tsv");
            trial.sandbox.set("CLOUDCTL_CATALOG", &catalog.to_string_lossy());
            let arguments = match row.name {
                "AWS_ENDPOINT_URL_EC2" => &["list", "-p", "aws", "-r", "us-east-1"][..],
                "AWS_ENDPOINT_URL_STS" => &["whoami", "-p", "aws"],
                _ => &["catalog", "update", "-p", "aws"],
            };
            let run = trial.sandbox.run(arguments);
            assert_eq!(own.calls().len(), 1, "{}", run.stderr);
            assert!(trial.emulator.calls().is_empty());
        },
        "AWS_ENDPOINT_URL_SSO" => |row| {
            Trial::new(row).refuses("localhost:4566");
            sso_address(row);
        },
        "AWS_ENDPOINT_URL_SSO_OIDC" => |row| {
            Trial::new(row)
                .refuses("localhost:4566")
                .set("http://127.0.0.1:9")
                .signs(ID);
        },
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS" | "ignore_configured_endpoint_urls" => |row| {
            let mut trial = Trial::new(row);
            trial.refuses("maybe");
            trial.sandbox.set("AWS_MAX_ATTEMPTS", "1");
            trial.set("true");
            let asked = asked(&mut trial.sandbox, &["list", "-p", "aws", "-r", "us-east-1"]);
            assert_eq!(asked, "ec2.us-east-1.amazonaws.com:443");
            assert!(trial.emulator.calls().is_empty());
        },
        "AWS_USE_FIPS_ENDPOINT" | "use_fips_endpoint" | "AWS_USE_DUALSTACK_ENDPOINT" | "use_dualstack_endpoint" => {
            |row| {
                let mut trial = Trial::without_address(row);
                trial.refuses("maybe");
                trial.set("true");
                let asked = asked(&mut trial.sandbox, &["list", "-p", "aws", "-r", "us-east-1"]);
                let is_fips = row.name.to_lowercase().contains("fips");
                let host = if is_fips {
                    "ec2-fips.us-east-1.amazonaws.com:443"
                } else {
                    "ec2.us-east-1.api.aws:443"
                };
                assert_eq!(asked, host);
            }
        }
        "AWS_STS_REGIONAL_ENDPOINTS" | "sts_regional_endpoints" => |row| {
            let mut trial = Trial::without_address(row);
            trial.refuses("legacy");
            trial.set("regional");
            assert_eq!(
                asked(&mut trial.sandbox, &["whoami", "-p", "aws"]),
                "sts.us-east-1.amazonaws.com:443"
            );
        },
        "services" => |row| {
            let mut trial = Trial::without_address(row);
            trial = trial.with("[services row]\nsso =\n  endpoint_url = http://127.0.0.1:9\n");
            let run = trial.set("row").list(2);
            run.expect_in_stderr("AWS_ENDPOINT_URL_SSO");
            let url = trial.emulator.url();
            trial.config = format!("[default]\n[services row]\nec2 =\n  endpoint_url = {url}\n");
            trial.set("row").signs(ID);
        },
        "AWS_CA_BUNDLE" | "REQUESTS_CA_BUNDLE" | "SSL_CERT_FILE" | "ca_bundle" => |row| {
            let mut trial = Trial::new(row);
            let server = TlsServer::before(&trial.emulator.url());
            trial.sandbox.set("AWS_ENDPOINT_URL", &server.url());
            trial.refuses("/var/run/absent.pem");
            let bundle = trial.sandbox.write("authority.pem", AUTHORITY);
            trial.set(&bundle).signs(ID);
        },
        "SSL_CERT_DIR" => |row| {
            let mut trial = Trial::new(row);
            let server = TlsServer::before(&trial.emulator.url());
            trial
                .sandbox
                .set("AWS_ENDPOINT_URL", &server.url())
                .unset("SSL_CERT_FILE");
            trial.refuses("/var/run/absent").refuses("  ");
            trial.sandbox.write("roots/authority.pem", AUTHORITY);
            let folder = trial.sandbox.folder().join("roots");
            trial.set(&folder.to_string_lossy()).signs(ID);
        },
        "HTTPS_PROXY" | "ALL_PROXY" => |row| {
            let mut trial = Trial::without_address(row);
            trial.refuses("socks5://proxy:1080");
            for name in [row.name.to_owned(), row.name.to_lowercase()] {
                let proxy = Answers::start(502, "");
                trial.sandbox.unset(row.name).set(&name, &proxy.url());
                trial.list(9);
                assert_eq!(
                    proxy.calls()[0].request.headers["host"],
                    "ec2.us-east-1.amazonaws.com:443",
                    "{name}"
                );
            }
        },
        "HTTP_PROXY" => |row| {
            let mut trial = Trial::new(row);
            trial.refuses("http://proxy:port");
            for name in ["HTTP_PROXY", "http_proxy"] {
                let proxy = Answers::start(403, "");
                trial.sandbox.unset(row.name).set(name, &proxy.url());
                list(&trial.sandbox);
                assert!(!proxy.calls().is_empty(), "{name}");
                assert!(trial.emulator.calls().is_empty());
            }
        },
        "NO_PROXY" => |row| {
            let (mut trial, proxy) = (Trial::new(row), Answers::start(502, ""));
            trial.sandbox.set("HTTP_PROXY", &proxy.url());
            trial.set("127.0.0.0/8").signs(ID);
            assert!(proxy.calls().is_empty());
        },
        "AWS_DISABLE_CLOCK_SKEW_CORRECTION" | "disable_clock_skew_correction" => |row| {
            Trial::new(row).refuses("maybe").set("true").signs(ID);
        },
        "AWS_MAX_ATTEMPTS" | "max_attempts" => |row| {
            let mut trial = Trial::new(row);
            trial.sandbox.unset("AWS_MAX_ATTEMPTS");
            trial.refuses("0").refuses("many");
            trial.emulator.inject(Fault::on_all(Effect::ErrorBefore {
                status: 500,
                code: "InternalError".to_owned(),
            }));
            for attempts in [1, 2] {
                trial.emulator.forget_calls();
                trial.set(&attempts.to_string()).list(9);
                assert_eq!(trial.emulator.calls().len(), attempts);
            }
        },
        "AWS_RETRY_MODE" | "retry_mode" => |row| {
            let mut trial = Trial::new(row);
            trial.refuses("eager");
            for mode in ["standard", "legacy", "adaptive"] {
                trial.set(mode).signs(ID);
            }
        },
        "AWS_DEFAULTS_MODE" | "defaults_mode" => |row| {
            let mut trial = Trial::new(row);
            trial.refuses("eager");
            for mode in ["standard", "in-region", "mobile", "auto"] {
                trial.set(mode).signs(ID);
            }
        },
        _ => return None,
    })
}

fn sso_address(row: &'static CloudToolSetting) {
    let portal = Answers::start(401, "{\"message\":\"Session token not found or invalid\"}");
    let mut trial = Trial::bare(row).with(
        "sso_start_url = https://acme.awsapps.com/start\nsso_region = eu-west-1\nsso_account_id = 123456789012\n\
         sso_role_name = Admin\n",
    );
    trial.sandbox.write(
        &format!("home/.aws/sso/cache/{SHA1_OF_START_URL}.json"),
        "{\"accessToken\":\"portal-token\",\"expiresAt\":\"2099-01-01T00:00:00Z\"}",
    );
    let run = trial.set(&portal.url()).list(4);
    assert!(!portal.calls().is_empty(), "{}", run.stderr);
    run.expect_in_stderr("aws sso login --profile default");
    run.expect_in_stderr("Session token not found or invalid");
}

#[test]
fn every_row_has_its_effect_or_is_refused_by_name() {
    let rows = aws().cloud_tool_settings;
    assert!(rows.len() > 70, "{}", rows.len());
    let mut without_trial = Vec::new();
    for row in rows {
        match (row.treatment, trial_of(row)) {
            (Treatment::Refused(instead), _) => {
                let mut trial = Trial::new(row);
                let run = trial.refuses("true").list(2);
                assert!(run.stderr.contains(instead), "{row:?}: {}", run.stderr);
                assert!(trial.emulator.calls().is_empty());
            }
            (Treatment::Honoured(_), Some(trial)) => trial(row),
            (Treatment::Honoured(_), None) => without_trial.push(row.name),
        }
    }
    assert!(without_trial.is_empty(), "no trial of {without_trial:?}");
}

#[test]
fn rows_are_there_once() {
    let mut names: Vec<_> = aws().cloud_tool_settings.iter().map(|row| row.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

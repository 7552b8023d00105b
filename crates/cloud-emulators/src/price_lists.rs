//! The price lists of both clouds, as their APIs give them: the Price List API of AWS, and Google's Cloud Billing Catalog.
//! Each has two pages.

use serde_json::{Value, json};

use crate::faults::Fault;
use crate::http::{Server, Service};
use crate::recorded_call::{Call, Operation, Reply, Request};

struct PriceLists;

/// A server of both lists; it stops when this is dropped.
pub struct Emulator {
    server: Server<PriceLists>,
}

impl Emulator {
    /// Starts on a free port.
    pub fn start() -> Self {
        Self {
            server: Server::start(PriceLists),
        }
    }

    /// `http://127.0.0.1:PORT`, without a slash at its end.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Every call since the start.
    pub fn calls(&self) -> Vec<Call> {
        self.server.calls()
    }

    /// Adds a fault; see [`Server::inject`].
    pub fn inject(&self, fault: Fault) {
        self.server.inject(fault);
    }
}

impl Service for PriceLists {
    fn operation(&self, request: &Request) -> Operation {
        let target = request.headers.get("x-amz-target").map(String::as_str);
        let name = match target {
            Some(target) => target.rsplit('.').next().unwrap_or_default().to_owned(),
            None => "skus.list".to_owned(),
        };
        Operation {
            name,
            location: String::new(),
        }
    }

    fn answer(&self, request: &Request) -> Reply {
        match request.headers.get("x-amz-target").map(String::as_str) {
            Some("AWSPriceListService.GetProducts") => reply(200, &products(request)),
            None if request.method == "GET" && request.path == "/v1/services/6F81-5844-456A/skus" => {
                reply(200, &skus(&request.query))
            }
            _ => self.error(404, "NotFound", "no such method"),
        }
    }

    fn error(&self, status: u16, code: &str, message: &str) -> Reply {
        let error = json!({"__type": code, "message": message,
            "error": {"code": status, "message": message, "status": code}});
        reply(status, &error)
    }
}

fn reply(status: u16, body: &Value) -> Reply {
    Reply {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
    }
}

fn product(region: &str, machine_type: &str, tenancy: &str, usd: &str) -> String {
    json!({"product": {"productFamily": "Compute Instance", "sku": "S", "attributes": {
        "instanceType": machine_type, "regionCode": region, "operatingSystem": "Linux", "tenancy": tenancy,
        "capacitystatus": "Used", "preInstalledSw": "NA", "marketoption": "OnDemand", "locationType": "AWS Region"}},
        "terms": {"OnDemand": {"S.T": {"priceDimensions": {"S.T.D": {"unit": "Hrs", "pricePerUnit": {"USD": usd}}}}}}})
    .to_string()
}

fn products(request: &Request) -> Value {
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let filter = |field: &str| {
        let filters = body["Filters"].as_array().expect("filters");
        let found = filters.iter().find(|filter| filter["Field"] == field);
        found.map(|filter| filter["Value"].as_str().expect("text").to_owned())
    };
    assert_eq!(body["ServiceCode"], "AmazonEC2");
    assert_eq!(filter("operatingSystem").as_deref(), Some("Linux"));
    assert_eq!(filter("tenancy").as_deref(), Some("Shared"));
    assert_eq!(filter("capacitystatus").as_deref(), Some("Used"));
    match body["NextToken"].as_str() {
        None => json!({"FormatVersion": "aws_v1", "NextToken": "more", "PriceList": [
            product("us-east-1", "m5.xlarge", "Shared", "0.1970000000"),
            product("us-east-1", "m5.2xlarge", "Dedicated", "9.0000000000"),
        ]}),
        Some(_) => json!({"FormatVersion": "aws_v1", "PriceList": [
            product("eu-west-1", "m5.xlarge", "Shared", "0.2190000000"),
            product("eu-west-1", "free.large", "Shared", "0.0000000000"),
        ]}),
    }
}

fn sku(description: &str, usage: &str, nanos: u32, unit: &str) -> Value {
    json!({"name": "services/6F81-5844-456A/skus/S", "skuId": "S", "description": description,
        "category": {"serviceDisplayName": "Compute Engine", "resourceFamily": "Compute", "resourceGroup": "CPU",
            "usageType": usage},
        "serviceRegions": ["us-central1"],
        "pricingInfo": [{"pricingExpression": {"usageUnit": unit, "tieredRates": [
            {"startUsageAmount": 0, "unitPrice": {"currencyCode": "USD", "units": "0", "nanos": nanos}}]}}]})
}

fn skus(query: &str) -> Value {
    if query.contains("pageToken=more") {
        return json!({"nextPageToken": "", "skus": [
            sku("N4 Instance Ram running in Americas", "OnDemand", 4_000_000, "GiBy.h"),
            sku("Nvidia Tesla T4 GPU running in Americas", "OnDemand", 350_000_000, "h"),
            sku("Something that is not understood", "OnDemand", 1_000_000, "h"),
        ]});
    }
    json!({"nextPageToken": "more", "skus": [
        sku("N4 Instance Core running in Americas", "OnDemand", 30_000_000, "h"),
        sku("Commitment v1: Cpu in Americas", "Commit1Yr", 1_000_000, "h"),
    ]})
}

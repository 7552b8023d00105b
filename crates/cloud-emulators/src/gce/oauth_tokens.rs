//! Where clients get their tokens: OAuth's token endpoint, for credentials files.

use serde_json::json;

use super::errors::reply;
use crate::http::Service;
use crate::recorded_call::{Operation, Reply, Request};

/// Gives a token to everybody who asks.
pub struct TokenServer;

impl Service for TokenServer {
    fn operation(&self, _: &Request) -> Operation {
        Operation {
            name: "token".to_owned(),
            location: String::new(),
        }
    }

    fn answer(&self, _: &Request) -> Reply {
        reply(
            200,
            &json!({"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}),
        )
    }

    fn error(&self, status: u16, code: &str, message: &str) -> Reply {
        reply(status, &json!({"error": code, "error_description": message}))
    }
}

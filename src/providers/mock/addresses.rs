//! The addresses that instances get.

/// A public address that nobody has: first from the ranges for documentation, then from the one for benchmarks.
/// <https://www.rfc-editor.org/rfc/rfc5737> <https://www.rfc-editor.org/rfc/rfc2544#appendix-C.2.2>
pub(super) fn public_address(number: u32) -> String {
    const HOSTS: u32 = 254;
    let host = number % HOSTS + 1;
    match number / HOSTS {
        0 => format!("203.0.113.{host}"),
        1 => format!("198.51.100.{host}"),
        2 => format!("192.0.2.{host}"),
        net => format!("198.{}.{}.{host}", 18 + net / 256 % 2, net % 256),
    }
}

/// A private address.
pub(super) fn private_address(number: u32) -> String {
    format!(
        "10.{}.{}.{}",
        number / 62_500 % 256,
        number / 250 % 250,
        number % 250 + 4
    )
}

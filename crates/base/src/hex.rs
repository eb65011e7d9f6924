//! Hexadecimal text.

/// Bytes as hexadecimal text, two digits per byte, for example for a digest.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

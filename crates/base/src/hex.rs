//! Bytes as text.

/// Bytes in hexadecimal digits, two a byte, such as those of a digest.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

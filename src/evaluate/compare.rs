//! Several runs side by side.
pub fn compare() {}

//! porecast
fn main(){}

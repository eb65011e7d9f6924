//! porecast

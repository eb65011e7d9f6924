//! The player of a page: its controls, and the film that the script shows.

use crate::figure::film::Film;
use crate::figure::{Colour, difference};
use image::Rgb;
use porecast_store::picture;

/// Name and colour of what is in the pictures.
const FLUIDS: [(&str, Rgb<u8>); 3] = [
    ("invading fluid (darker: more probable)", picture::INVADING),
    ("defending fluid", picture::DEFENDING),
    ("solid", picture::SOLID),
];
/// The same for errors.
const ERRORS: [(&str, Rgb<u8>); 2] =
    [("predicted too much", difference::TOO_MUCH), ("missed", difference::MISSED)];

/// The controls, the places that the script fills, and the film.
pub(super) fn html(film: &Film) -> String {
    let json = serde_json::to_string(film).expect("strings and finite numbers serialise");
    let sequences = || film.domains.iter().flat_map(|domain| &domain.sequences);
    let is_scored = sequences().any(|one| one.colour == Colour::Truth)
        && sequences().any(|one| one.colour != Colour::Truth);
    let colours = FLUIDS.iter().chain(if is_scored { &ERRORS[..] } else { &[] });
    let colours: String = colours
        .map(|(name, Rgb([r, g, b]))| format!("<span><i style=\"--c:rgb({r},{g},{b})\"></i>{name}</span>\n"))
        .collect();
    let shown = match film.total > film.domains.len() {
        true => {
            format!("<span>the first {} of {} domains are shown</span>\n", film.domains.len(), film.total)
        }
        false => String::new(),
    };
    format!(
        "<div id=\"player\">\n<div class=\"choice\">\n<label>Domain <select id=\"domain\"></select></label>\n\
         <button id=\"previous\" type=\"button\" aria-label=\"Previous domain\">‹</button>\n\
         <button id=\"next\" type=\"button\" aria-label=\"Next domain\">›</button>\n{shown}</div>\n\
         <p class=\"facts\" id=\"facts\"></p>\n<div id=\"stage\">\n\
         <div><h3>At the chosen time</h3>\n<div id=\"panes\"></div></div>\n\
         <div><h3>When each pixel is first invaded</h3>\n<div id=\"maps\"></div></div>\n</div>\n\
         <p class=\"legend\">\n<span id=\"scale\"><i></i> <b></b></span>\n{colours}\
         <span>blue edge: inlet</span>\n\
         <span>first invaded: <b id=\"earliest\"></b><span class=\"ramp\"></span><b id=\"latest\"></b></span>\n</p>\n\
         <div class=\"controls\">\n<button id=\"play\" type=\"button\" aria-label=\"Play\">▶</button>\n\
         <input id=\"frame\" type=\"range\" min=\"0\" value=\"0\" aria-label=\"Time\">\n\
         <output id=\"clock\"></output>\n<label><input id=\"loop\" type=\"checkbox\" checked> loop</label>\n</div>\n\
         <p class=\"facts hint\">Keys: space plays, ← → move in time, n and p change the domain, l loops. A click on a \
         curve moves there.</p>\n<div id=\"curves\" class=\"grid-of\"></div>\n\
         <noscript>The player needs scripts.</noscript>\n</div>\n\
         <script id=\"film\" type=\"application/json\">{}</script>",
        json.replace("</", "<\\/")
    )
}

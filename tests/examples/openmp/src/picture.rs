//! What is computed: rows of the Mandelbrot set, by Lua and, to check them, by Rust.

/// From a row's number and the picture's size to the row's characters.
pub(crate) const ROW: &str = r#"
    local row, width, height = ...
    local shades = " .:-=+*#%@"
    local y0 = (row / (height - 1)) * 2.4 - 1.2
    local characters = {}
    for column = 0, width - 1 do
        local x0 = (column / (width - 1)) * 3.2 - 2.2
        local x, y, steps = 0.0, 0.0, 0
        while steps < 90 and x * x + y * y <= 4.0 do
            x, y = x * x - y * y + x0, 2.0 * x * y + y0
            steps = steps + 1
        end
        local shade = steps // 10 + 1
        characters[column + 1] = shades:sub(shade, shade)
    end
    return table.concat(characters)
"#;

/// The same, without Lua. Both compute in double precision, one operation after the other.
pub(crate) fn row(row: u32, width: u32, height: u32) -> String {
    let y0 = f64::from(row) / f64::from(height - 1) * 2.4 - 1.2;
    let character = |column| {
        let x0 = f64::from(column) / f64::from(width - 1) * 3.2 - 2.2;
        let (mut x, mut y, mut steps) = (0.0, 0.0, 0);
        while steps < 90 && x * x + y * y <= 4.0 {
            (x, y) = (x * x - y * y + x0, 2.0 * x * y + y0);
            steps += 1;
        }
        char::from(b" .:-=+*#%@"[steps / 10])
    };
    (0..width).map(character).collect()
}

//! What answers a request: a Lua state with a script loaded, as an application server has it.

use mlua::{Function, Lua};

/// Loads a table once (the application's data) and returns the function that answers.
const APPLICATION: &str = r#"
    local words = {}
    for i = 1, 4000 do
        words[i] = "word " .. i
    end
    return function(number)
        local parts = {}
        local sum = 0
        for i = 1, 300 do
            local word = words[(number * i) % #words + 1]
            parts[i] = word:upper()
            sum = sum + #word
        end
        return number .. ":" .. sum .. ":" .. parts[300]
    end
"#;

/// A state of its own.
pub(crate) struct State {
    // The function refers to it, but does not keep it.
    _lua: Lua,
    answer: Function,
}

impl State {
    pub(crate) fn new() -> Result<Self, mlua::Error> {
        let lua = Lua::new();
        let answer = lua.load(APPLICATION).set_name("application").eval()?;
        Ok(State { _lua: lua, answer })
    }

    pub(crate) fn answer(&self, number: u32) -> Result<String, mlua::Error> {
        self.answer.call(number)
    }
}

/// What Lua answers, computed without Lua.
pub(crate) fn expected(number: u32) -> String {
    let word = |i: u64| format!("word {}", u64::from(number) * i % 4000 + 1);
    let sum: usize = (1..=300).map(|i| word(i).len()).sum();
    format!("{number}:{sum}:{}", word(300).to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lua_answers_what_rust_expects() {
        let state = State::new().unwrap();
        for number in [0, 1, 39, 4000, 9_999, u32::MAX] {
            assert_eq!(state.answer(number).unwrap(), expected(number));
        }
        assert_eq!(expected(0), "0:1800:WORD 1");
    }
}

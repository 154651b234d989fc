/* The guest in Lua, and what is called of it. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static const char text[] =
    "local calls = 0\n"
    "function work(x, rounds)\n"
    "  calls = calls + 1\n"
    "  local last = {}\n" /* for the collector */
    "  for i = 1, rounds do\n"
    "    x = (x * 1664525 + 1013904223) & 0xffffffff\n"
    "    last[i % 8 + 1] = string.format('%d', x)\n"
    "  end\n"
    "  return x, #last\n"
    "end\n"
    "function counted() return calls end\n";

/* NULL if there is no memory. */
lua_State *guest_open(lua_Alloc alloc, void *heap) {
    lua_State *lua = lua_newstate(alloc, heap);
    if (lua == NULL) return NULL;
    lua_pushcfunction(lua, luaopen_string);
    if (lua_pcall(lua, 0, 1, 0) == LUA_OK) {
        lua_setglobal(lua, "string");
        if (luaL_loadbufferx(lua, text, sizeof text - 1, "guest", "t") == LUA_OK && lua_pcall(lua, 0, 0, 0) == LUA_OK)
            return lua;
    }
    lua_close(lua);
    return NULL;
}

/* Whether it worked. */
int guest_work(lua_State *lua, unsigned number, unsigned rounds, unsigned *result) {
    int good;
    lua_getglobal(lua, "work");
    lua_pushinteger(lua, number);
    lua_pushinteger(lua, rounds);
    good = lua_pcall(lua, 2, 1, 0) == LUA_OK;
    if (good) *result = (unsigned)lua_tointeger(lua, -1);
    lua_settop(lua, 0);
    return good;
}

unsigned guest_calls(lua_State *lua) {
    unsigned calls = 0;
    lua_getglobal(lua, "counted");
    if (lua_pcall(lua, 0, 1, 0) == LUA_OK) calls = (unsigned)lua_tointeger(lua, -1);
    lua_settop(lua, 0);
    return calls;
}

void guest_close(lua_State *lua) {
    lua_close(lua);
}

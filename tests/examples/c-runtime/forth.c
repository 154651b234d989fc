/* Words are compiled to cells: an operation, and for some of them an operand behind it. */
#include "forth.h"
#include <stdlib.h>
#include <string.h>

enum { STACK = 256, CODE = 4096, WORDS = 128, NAME = 24, OPEN = 32 };

enum op {
    LIT, CALL, EXIT, BRANCH, ZBRANCH, DO, LOOP, INDEX, APPLY,
    ADD, SUB, MUL, DIV, MOD, LESS, EQUAL, DUP, DROP, SWAP, OVER, ROT, NOT
};

static const struct {
    const char *name;
    enum op op;
} primitives[] = {
    {"+", ADD},       {"-", SUB},     {"*", MUL},     {"/", DIV},   {"mod", MOD}, {"<", LESS},
    {"=", EQUAL},     {"dup", DUP},   {"drop", DROP}, {"swap", SWAP}, {"over", OVER}, {"rot", ROT},
    {"not", NOT},     {"i", INDEX},   {"apply", APPLY}, {"exit", EXIT},
};

struct word {
    char name[NAME];
    size_t start;
};

struct forth {
    cell data[STACK];
    size_t depth;
    cell calls[STACK];
    size_t call_depth;
    cell code[CODE];
    size_t here;
    struct word words[WORDS];
    size_t word_count;
    forth_host *apply;
    void *host;
};

/* ---- compiling ---- */

struct compiler {
    struct forth *f;
    const char *at;
    char token[NAME];
    /* Places whose operand is not known yet, and where loops begin. */
    size_t open[OPEN];
    size_t open_count;
    const char *error;
};

static int fail(struct compiler *c, const char *error) {
    c->error = error;
    return 0;
}

/* The next token; 0 at the end of the source or after an error. */
static int next(struct compiler *c) {
    size_t length;
    for (;;) {
        c->at += strspn(c->at, " \t\r\n");
        length = strcspn(c->at, " \t\r\n");
        if (length == 1 && *c->at == '\\') {
            c->at += strcspn(c->at, "\n");
        } else if (length == 1 && *c->at == '(') {
            const char *end = strchr(c->at, ')');
            if (end == NULL) return fail(c, "a comment has no end");
            c->at = end + 1;
        } else {
            break;
        }
    }
    if (length == 0) return 0;
    if (length >= NAME) return fail(c, "a name is too long");
    memcpy(c->token, c->at, length);
    c->token[length] = '\0';
    c->at += length;
    return 1;
}

static int is(const struct compiler *c, const char *token) {
    return strcmp(c->token, token) == 0;
}

static int emit(struct compiler *c, cell value) {
    if (c->f->here == CODE) return fail(c, "the code is too long");
    c->f->code[c->f->here++] = value;
    return 1;
}

static int push_open(struct compiler *c, size_t place) {
    if (c->open_count == OPEN) return fail(c, "too many levels of if, begin and do");
    c->open[c->open_count++] = place;
    return 1;
}

static int pop_open(struct compiler *c, size_t *place) {
    if (c->open_count == 0) return fail(c, "then, else, until or loop without a beginning");
    *place = c->open[--c->open_count];
    return 1;
}

/* A branch whose target follows. */
static int branch_open(struct compiler *c, enum op op) {
    return emit(c, op) && push_open(c, c->f->here) && emit(c, -1);
}

static int branch_close(struct compiler *c) {
    size_t place;
    if (!pop_open(c, &place)) return 0;
    c->f->code[place] = (cell)c->f->here;
    return 1;
}

static int branch_back(struct compiler *c, enum op op) {
    size_t place;
    return pop_open(c, &place) && emit(c, op) && emit(c, (cell)place);
}

static int control(struct compiler *c, int *done) {
    size_t otherwise;
    *done = 1;
    if (is(c, "if")) return branch_open(c, ZBRANCH);
    if (is(c, "then")) return branch_close(c);
    if (is(c, "else")) {
        if (!pop_open(c, &otherwise) || !branch_open(c, BRANCH)) return 0;
        c->f->code[otherwise] = (cell)c->f->here;
        return 1;
    }
    if (is(c, "begin")) return push_open(c, c->f->here);
    if (is(c, "until")) return branch_back(c, ZBRANCH);
    if (is(c, "do")) return emit(c, DO) && push_open(c, c->f->here);
    if (is(c, "loop")) return branch_back(c, LOOP);
    *done = 0;
    return 1;
}

static int token(struct compiler *c) {
    size_t i;
    int done;
    cell word;
    char *end;
    long long number;
    if (!control(c, &done) || done) return done;
    if (is(c, "'")) {
        if (!next(c)) return fail(c, "' without a word");
        word = forth_find(c->f, c->token);
        return word < 0 ? fail(c, "' without a word") : emit(c, LIT) && emit(c, word);
    }
    if (is(c, "recurse")) {
        return emit(c, CALL) && emit(c, (cell)c->f->words[c->f->word_count - 1].start);
    }
    word = forth_find(c->f, c->token);
    if (word >= 0) return emit(c, CALL) && emit(c, (cell)c->f->words[word].start);
    for (i = 0; i < sizeof primitives / sizeof *primitives; i++) {
        if (is(c, primitives[i].name)) return emit(c, primitives[i].op);
    }
    number = strtoll(c->token, &end, 10);
    if (*end != '\0') return fail(c, "an unknown word");
    return emit(c, LIT) && emit(c, number);
}

/* `: name tokens… ;` */
static int definition(struct compiler *c) {
    struct word *word;
    if (!is(c, ":") || !next(c)) return fail(c, ": and a name are expected");
    if (c->f->word_count == WORDS) return fail(c, "too many words");
    word = &c->f->words[c->f->word_count++];
    memcpy(word->name, c->token, NAME);
    word->start = c->f->here;
    while (next(c)) {
        if (is(c, ";")) {
            if (c->open_count != 0) return fail(c, "if, begin or do without an end");
            return emit(c, EXIT);
        }
        if (!token(c)) return 0;
    }
    return c->error != NULL ? 0 : fail(c, "a definition has no end");
}

struct forth *forth_new(const char *source, forth_host *apply, void *host, const char **error) {
    struct compiler c = {0};
    struct forth *f = calloc(1, sizeof *f);
    if (f == NULL) {
        *error = "no memory";
        return NULL;
    }
    f->apply = apply;
    f->host = host;
    c.f = f;
    c.at = source;
    while (next(&c) && definition(&c)) {
    }
    if (c.error != NULL) {
        *error = c.error;
        free(f);
        return NULL;
    }
    return f;
}

void forth_free(struct forth *f) {
    free(f);
}

cell forth_find(const struct forth *f, const char *name) {
    size_t i;
    for (i = f->word_count; i > 0; i--) {
        if (strcmp(f->words[i - 1].name, name) == 0) return (cell)(i - 1);
    }
    return -1;
}

/* ---- running ---- */

/* How many cells an operation takes from the data stack, and how many it leaves there. */
static const struct {
    unsigned char takes, leaves;
} effect[] = {
    [LIT] = {0, 1},  [CALL] = {0, 0}, [EXIT] = {0, 0},  [BRANCH] = {0, 0}, [ZBRANCH] = {1, 0},
    [DO] = {2, 0},   [LOOP] = {0, 0}, [INDEX] = {0, 1}, [APPLY] = {2, 1},  [ADD] = {2, 1},
    [SUB] = {2, 1},  [MUL] = {2, 1},  [DIV] = {2, 1},   [MOD] = {2, 1},    [LESS] = {2, 1},
    [EQUAL] = {2, 1}, [DUP] = {1, 2}, [DROP] = {1, 0},  [SWAP] = {2, 2},   [OVER] = {2, 3},
    [ROT] = {3, 3},  [NOT] = {1, 1},
};

static cell wrapping(enum op op, cell a, cell b) {
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    return (cell)(op == ADD ? x + y : op == SUB ? x - y : x * y);
}

static const char *run(struct forth *f, size_t at, size_t floor) {
    size_t bottom = f->call_depth;
    for (;;) {
        enum op op = (enum op)f->code[at++];
        cell *top = f->data + f->depth, *calls = f->calls + f->call_depth, swap;
        const char *error;
        if (f->depth < floor + effect[op].takes) return "the stack is empty";
        if (f->depth + effect[op].leaves > (size_t)STACK + effect[op].takes) return "the stack is full";
        if (f->call_depth + 2 > (size_t)STACK) return "too many calls";
        f->depth = f->depth - effect[op].takes + effect[op].leaves;
        switch (op) {
        case LIT: top[0] = f->code[at++]; break;
        case CALL:
            calls[0] = (cell)at + 1;
            f->call_depth++;
            at = (size_t)f->code[at];
            break;
        case EXIT:
            if (f->call_depth == bottom) return NULL;
            at = (size_t)f->calls[--f->call_depth];
            break;
        case BRANCH: at = (size_t)f->code[at]; break;
        case ZBRANCH: at = top[-1] == 0 ? (size_t)f->code[at] : at + 1; break;
        case DO:
            calls[0] = top[-2];
            calls[1] = top[-1];
            f->call_depth += 2;
            break;
        case LOOP:
            if (f->call_depth < bottom + 2) return "loop without do";
            if (++calls[-1] < calls[-2]) {
                at = (size_t)f->code[at];
            } else {
                f->call_depth -= 2;
                at++;
            }
            break;
        case INDEX:
            if (f->call_depth < bottom + 2) return "i without do";
            top[0] = calls[-1];
            break;
        case APPLY:
            /* What it calls back uses the stack above the two. */
            f->depth++;
            error = f->apply(f->host, top[-2], top[-1], &swap);
            f->depth--;
            if (error != NULL) return error;
            top[-2] = swap;
            break;
        case ADD: case SUB: case MUL: top[-2] = wrapping(op, top[-2], top[-1]); break;
        case DIV: case MOD:
            if (top[-1] == 0) return "division by zero";
            if (top[-1] == -1) top[-2] = op == DIV ? wrapping(SUB, 0, top[-2]) : 0;
            else top[-2] = op == DIV ? top[-2] / top[-1] : top[-2] % top[-1];
            break;
        case LESS: top[-2] = top[-2] < top[-1] ? -1 : 0; break;
        case EQUAL: top[-2] = top[-2] == top[-1] ? -1 : 0; break;
        case NOT: top[-1] = top[-1] == 0 ? -1 : 0; break;
        case DUP: top[0] = top[-1]; break;
        case DROP: break;
        case SWAP: swap = top[-1]; top[-1] = top[-2]; top[-2] = swap; break;
        case OVER: top[0] = top[-2]; break;
        case ROT: swap = top[-3]; top[-3] = top[-2]; top[-2] = top[-1]; top[-1] = swap; break;
        }
    }
}

const char *forth_run(struct forth *f, cell word, cell argument, cell *result) {
    size_t depth = f->depth, calls = f->call_depth;
    const char *error;
    if (word < 0 || (size_t)word >= f->word_count) return "no such word";
    if (depth == (size_t)STACK) return "the stack is full";
    f->data[f->depth++] = argument;
    error = run(f, f->words[word].start, depth);
    if (error == NULL && f->depth != depth + 1) error = "a word leaves one cell";
    if (error == NULL) *result = f->data[depth];
    f->depth = depth;
    f->call_depth = calls;
    return error;
}

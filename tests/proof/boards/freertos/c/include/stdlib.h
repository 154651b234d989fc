/* The kernel includes it, and uses nothing of it. */
#pragma once
#include <stddef.h>

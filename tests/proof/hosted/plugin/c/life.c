/* The library calls in while it is being loaded, and while it goes. */
extern void plugin_constructed(void);
extern void plugin_destructed(void);

__attribute__((constructor)) static void construct(void)
{
    plugin_constructed();
}

__attribute__((destructor)) static void destruct(void)
{
    plugin_destructed();
}

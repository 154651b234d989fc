/* The foreign side: libmicrohttpd with a thread of its own for each connection. Each request,
   "GET /NUMBER", is answered by the runtime on that thread. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Exported by the Rust program: writes the answer and returns its length, or 0. */
extern size_t http_answer(uint32_t number, char *answer, size_t capacity);

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **request) {
  static int seen;
  char text[256];
  (void)cls;
  (void)version;
  (void)upload_data;
  /* The first call is for the headers alone. */
  if (*request == NULL) {
    *request = &seen;
    return MHD_YES;
  }
  if (*upload_data_size != 0)
    return MHD_NO;
  unsigned status = MHD_HTTP_NOT_FOUND;
  size_t length = 0;
  char *end = NULL;
  unsigned long number = strtoul(url + 1, &end, 10);
  if (strcmp(method, "GET") == 0 && end != url + 1 && *end == '\0' && number <= UINT32_MAX) {
    length = http_answer((uint32_t)number, text, sizeof text);
    status = length > 0 ? MHD_HTTP_OK : MHD_HTTP_INTERNAL_SERVER_ERROR;
  }
  struct MHD_Response *response = MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_COPY);
  if (response == NULL)
    return MHD_NO;
  enum MHD_Result queued = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return queued;
}

/* Listens on a free port of the loopback interface. NULL if it cannot. */
void *server_start(unsigned connections, uint16_t *port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  struct MHD_Daemon *daemon = MHD_start_daemon(
      MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL,
      handle, NULL, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_CONNECTION_LIMIT,
      connections, MHD_OPTION_THREAD_STACK_SIZE, (size_t)(256 << 10), MHD_OPTION_LISTEN_BACKLOG_SIZE,
      connections, MHD_OPTION_END);
  if (daemon == NULL)
    return NULL;
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
  *port = info == NULL ? 0 : info->port;
  return daemon;
}

/* Returns when all of the server's threads have ended. */
void server_stop(void *server) { MHD_stop_daemon(server); }

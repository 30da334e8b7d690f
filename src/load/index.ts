/** The generator. */
export const serveGenerator = (): Promise<void> =>
  Promise.reject(new Error('the generator is not built yet'));
export const runThread = (): void => undefined;

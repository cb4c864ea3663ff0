/** The Web Hooks API's id: company number and a UTC second, `1_20120501071947`. `second` is seconds since the Unix epoch. */
export function webHookId(companyNumber: number, second: number): string {
  const digits = new Date(second * 1000).toISOString().slice(0, 19).replace(/\D/g, '');
  return `${companyNumber}_${digits}`;
}
